// Scalings of the rotary frequencies, folded into the table: theta is 16 and head_dim 8, so that the
// frequencies are 1, 1/2, 1/4 and 1/8.
// RUN: %python %S/Inputs/checkpoint.py %t.plain --set head_dim=8 --set rope_theta=16.0
// RUN: stc-opt %s --stc-import=path=%t.plain | FileCheck %s --check-prefix=PLAIN
// RUN: %python %S/Inputs/checkpoint.py %t.linear --set head_dim=8 --set rope_theta=16.0 --set rope_scaling='{"rope_type": "linear", "factor": 4.0}'
// RUN: stc-opt %s --stc-import=path=%t.linear | FileCheck %s --check-prefix=LINEAR
// RUN: %python %S/Inputs/checkpoint.py %t.llama3 --set head_dim=8 --set rope_theta=16.0 --set rope_scaling='{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 3.0, "original_max_position_embeddings": 25}'
// RUN: stc-opt %s --stc-import=path=%t.llama3 | FileCheck %s --check-prefix=LLAMA3
// RUN: %python %S/Inputs/checkpoint.py %t.gguf --gguf --set head_dim=8 --set rope_theta=16.0 --add rope_freqs.weight=4
// RUN: stc-opt %s --stc-import=path=%t.gguf | FileCheck %s --check-prefix=GGUF
// RUN: %python %S/Inputs/checkpoint.py %t.linear.gguf --gguf --set head_dim=8 --set rope_theta=16.0 --set rope_scaling='{"rope_type": "linear", "factor": 4.0}'
// RUN: stc-opt %s --stc-import=path=%t.linear.gguf | FileCheck %s --check-prefix=LINEAR

// PLAIN: frequencies [1.000000e+00, 5.000000e-01, 2.500000e-01, 1.250000e-01]
// LINEAR: frequencies [2.500000e-01, 1.250000e-01, 6.250000e-02, 3.125000e-02]
// Turns within 25 positions: 3.98 (kept), 1.989 (blended: (1.989 - 1) / 2 = 0.4947 of 1/2 and 0.5053
// of 1/16), 0.995 and 0.497 (both divided by eight).
// LLAMA3: frequencies [1.000000e+00, 0.278939297{{[0-9]+}}, 3.125000e-02, 1.562500e-02]
// The factor tensor holds fours; rows of a GGUF's llama are for adjacent pairs.
// GGUF: frequencies [2.500000e-01, 1.250000e-01, 6.250000e-02, 3.125000e-02]
// GGUF: stc.rotary_embedding interleaved
