"""The Open Inference Protocol V2 over REST: tritonclient and KServe's client work unmodified."""
