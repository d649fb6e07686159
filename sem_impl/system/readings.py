"""What the probes of `sem` read, by stage: `encoder.marginal_error` in a suite. `sem_impl.probing` reads them, over all
positions of a forward pass whatever the mode."""

from harness.system import Probe
from sem_impl.system.common import PROBES

ENCODER = (
    Probe("sinkhorn_updates", "updates", "of the transport's potential", exact=True),
    Probe("marginal_error", "", "sum over candidates of |mass - 1/K|"),
    Probe("row_entropy", "nats", "of a token's row of the transport, mean over tokens"),
    Probe("plan_entropy", "nats", "of the whole plan of a batch row: ln S + row entropy"),
    Probe("effective_candidates", "candidates", "e to the power of the row entropy"),
    Probe("sharpness", "", "largest share of a token's mass, mean over tokens"),
    Probe("kept_mass", "", "share of a token's mass in the M candidates kept, mean over tokens"),
    Probe("token_spread", "", "deviation over tokens at one position / RMS of the encoder's output"),
)
MIXER = (
    Probe("variance_after_first", "", "mean |psi|^2 after the first layer / before it"),
    Probe("variance_after_half", "", "the same after half of the layers"),
    Probe("variance_after_last", "", "the same after all layers"),
    Probe("variance_growth", "", "factor per layer, fitted over all layers"),
    Probe("branch_alignment", "", "cosine between the stream and what a layer adds, mean over layers"),
    Probe("branch_variance_first", "", "mean |branch|^2 of the first layer, before it is scaled"),
    Probe("branch_variance_last", "", "the same of the last layer"),
    Probe("phase_error", "degrees", "by which the first norm turns an entry, mean over entries"),
    Probe("phase_error_aligned", "degrees", "the same for the input with all phases 0"),
    Probe("memory_span", "tokens", "1 / mean(-ln |A|)"),
    Probe("log_decay", "", "ln mean(-ln |A|), the documents' log_A_mag"),
    Probe("retention_third", "", "share of a state's energy over time within S/3 tokens"),
    Probe("retention_half", "", "the same within S/2 tokens"),
    Probe("amplitude_third", "", "share of a state's amplitude over time within S/3 tokens"),
    Probe("amplitude_half", "", "the same within S/2 tokens"),
    Probe("state_energy", "", "mean |h|^2 after the last token"),
    Probe("state_growth", "", "mean |h|^2 after the last token / after half of the text"),
    Probe("response_later", "", "of the change of the output when the first token's row turns: share on later tokens"),
    Probe("response_lag", "tokens", "mean distance of that change from the first token"),
)
HEAD = (
    Probe("rank_bound", "", "largest rank of the head's form: of its logits before any logarithm", True),
    Probe("block_bound", "", "the same for a block of 12 entries of psi and 512 tokens", True),
    Probe("form_rank", "", "of that block's form: of its logits before any logarithm", True),
    Probe("logit_rank", "", "of that block's logits", True),
    Probe("reachable", "", "share of 32 tokens that some unit psi makes the most likely one"),
    Probe("unreachable", "", "share of 32 tokens that provably no psi makes the most likely one"),
    Probe("logit_spread", "", "standard deviation over tokens and states"),
)


def _of(stage: str, probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    return tuple(Probe(f"{stage}.{each.name}", each.unit, each.doc, each.exact) for each in probes)


READINGS = (*_of("encoder", ENCODER), *_of("mixer", MIXER), *_of("propagator", PROBES), *_of("head", HEAD))
