"""Tests of Keras that fail with the layers of this package, by file, and why.

A key is a pattern of names of tests. With backends before it, as in `"jax,torch *test_name"`, it
applies to these alone. At least one of the tests of a pattern fails.
"""

VALUES = "numbers of another formula"
WORDS = "the error has other words"
WEIGHTS_ONLY = "integers of weights alone: not float8, GPTQ, AWQ, nor quantizers of inputs"
INT4 = "integers of 4 bits are packed along the weights of a neuron, around zero"
CONFIG = "no argument `quantization_config`: the dtype policy has all of it"
SUBCLASS = "subclasses are quantized as well"
CUDNN = "no argument `use_cudnn`: there is no fused kernel"
IMPLEMENTATION = "no argument `implementation`"
FLASH = "no fused attention"
PRIVATE = "a private name of Keras's layer"
MASK = "Softermax takes no mask"


EXPECTED: dict[str, dict[str, str]] = {
    "elu": {"*test_correctness": VALUES},
    "softmax": {
        "*mask*": MASK,
        "*test_softmax_correctness*": VALUES,
    },
    "dense": {
        "*_float8*": WEIGHTS_ONLY,
        "*ptq*": WEIGHTS_ONLY,
        "*awq*": WEIGHTS_ONLY,
        "*_quantize_config_int?*": WEIGHTS_ONLY,
        "*_only_quantizer": CONFIG,
        "*_custom_quantizer": CONFIG,
        "*_block_size_serialization*": CONFIG,
        "*_quantization_block_size*": INT4,
        "*_g_idx_created*": INT4,
        "*_g_idx_serialization": INT4,
        "*_returns_unpacked_form": INT4,
        "*_policy_int4": INT4,
        "*_lora_integration_int4": INT4,
        "*_on_subclass_int?": SUBCLASS,
        "*_quantize_invalid_mode*": PRIVATE,
        "*invalid_units*": WORDS,
        "*legacy_load*": PRIVATE,
        "*test_dense_*": VALUES,
    },
    "embedding": {
        "*_int8_custom_quantizer": CONFIG,
        "*_block_size_serialization*": CONFIG,
        "*_quantization_block_size*": INT4,
        "*_g_idx_created*": INT4,
        "*_g_idx_serialization": INT4,
        "*_quantize_int_int4": INT4,
        "*_policy_int4": INT4,
        "*_lora_integration_int4": INT4,
        "*_on_subclass_int?": SUBCLASS,
        "*_quantize_invalid_mode*": PRIVATE,
        "*test_invalid_*_dim": WORDS,
        "*test_correctness*": VALUES,
    },
    "conv": {
        "*test_bad_init_args": WORDS,
        "ConvCorrectnessTest::test_conv?d?": VALUES,
    },
    "conv_transpose": {
        "*test_bad_init_args": WORDS,
        "ConvTransposeCorrectnessTest::test_conv?d_transpose*": VALUES,
    },
    "depthwise_conv": {
        "*test_bad_init_args": WORDS,
        "DepthwiseConvCorrectnessTest::test_depthwise_conv?d?": VALUES,
    },
    "separable_conv": {
        "*test_bad_init_args": WORDS,
        "SeparableConvCorrectnessTest::test_separable_conv?d?": VALUES,
    },
    "spectral_normalization": {"*test_apply_layer": VALUES},
    "bidirectional": {
        "*cudnn*": CUDNN,
        "*fused*": CUDNN,
        "*test_correctness": VALUES,
        "*test_masking": VALUES,
        "*test_pass_initial_state": VALUES,
        "*test_return_state": VALUES,
        "*test_statefulness": VALUES,
    },
    "gru": {
        "*implementation*": IMPLEMENTATION,
        "*test_correctness?": VALUES,
        "*test_masking": VALUES,
        "*test_pass_*": VALUES,
        "*test_statefulness": VALUES,
    },
    "lstm": {
        "*test_correctness?": IMPLEMENTATION,
        "*test_masking": VALUES,
        "*test_pass_*": VALUES,
        "*test_statefulness": VALUES,
    },
    "simple_rnn": {
        "*test_correctness": VALUES,
        "*test_masking": VALUES,
        "*test_pass_*": VALUES,
        "*test_statefulness": VALUES,
    },
    "stacked_rnn_cells": {"*test_stacked_lstm_cell_mask": VALUES},
    "time_distributed": {"*test_correctness": VALUES, "*test_masking": VALUES},
    "multi_head_attention": {
        "*test_causal_only_skipped_for_subclass": PRIVATE,
        "*test_compute_attention_combines*": PRIVATE,
        "*test_correctness_*": VALUES,
        "*flash_attention*": FLASH,
        "*test_invalid_scalar_args_rejected": WORDS,
        "*shape_error*": WORDS,
        "*test_shape_mismatch_error*": WORDS,
    },
}
