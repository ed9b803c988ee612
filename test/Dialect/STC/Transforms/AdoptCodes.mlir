// Matrices that a checkpoint stores as codes with scales keep them, and nothing is rounded where a
// layout holds them; others, and weights that were pruned or quantized before, stay as they are.
// RUN: %python %S/../../../Import/Inputs/checkpoint.py %t.gguf --gguf --set hidden_size=32 --type blk.0.attn_q.weight=Q8_0 --type blk.0.attn_k.weight=Q8_0 --type blk.0.attn_v.weight=F16
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-quantize='spec=int4-g32 exclude=*.q,*.v' --stc-adopt-codes=verbose=true -o %t.mlir 2> %t.remarks
// RUN: FileCheck %s < %t.mlir
// RUN: FileCheck %s --check-prefix=REMARK --implicit-check-not=layers.0.k < %t.remarks

// The values are those that the file has: the same with and without.
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-adopt-codes --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.kept
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.floats
// RUN: diff %t.kept %t.floats

// So do codes with minimums. Where they are pruned, no code of some groups is zero: they are rounded,
// and a warning tells what that costs.
// RUN: %python %S/../../../Import/Inputs/checkpoint.py %t.lowered.gguf --gguf --set hidden_size=32 --type blk.0.attn_q.weight=Q4_1 --type blk.0.attn_k.weight=Q8_0
// RUN: stc-opt %s --stc-import=path=%t.lowered.gguf --stc-adopt-codes | FileCheck %s --check-prefix=LOWERED
// RUN: stc-opt %s --stc-import=path=%t.lowered.gguf --stc-prune=spec=2:4 --stc-adopt-codes=verbose=true 2> %t.warnings | FileCheck %s --check-prefix=ROUNDED
// RUN: FileCheck %s --check-prefix=WARNING < %t.warnings

// LOWERED: stc.weight @layers.0.q : tensor<8x32xf32>
// LOWERED-SAME: quant = #stc.quant<"stored:int4-g32-min", error = 0.000000e+00 : f64>

// ROUNDED: stc.weight @layers.0.q : tensor<8x32xf32>
// ROUNDED-SAME: quant = #stc.quant<"rtn:int8-g32", error = 0.00{{[1-9]}}
// ROUNDED: stc.weight @layers.0.k : tensor<4x32xf32>
// ROUNDED-SAME: quant = #stc.quant<"stored:int8-g32", error = 0.000000e+00 : f64>
// WARNING: remark: {{.*}}layers.0.q: codes of the checkpoint rounded to rtn:int8-g32, relative error {{[1-9].*}}E-03
// WARNING: warning: 1 matrices are stored with minimums of groups beside pruned weights, which no layout holds: they are rounded to dense-int8-g32, relative error {{[1-9]\.[0-9]+}}E-03, of one matrix up to {{[1-9]\.[0-9]+}}E-03 (--quantize none makes them floats of the same values)

// CHECK: stc.weight @layers.0.q : tensor<8x32xf32>
// CHECK-SAME: quant = #stc.quant<"stored:int8-g32", error = 0.000000e+00 : f64>
// CHECK: stc.weight @layers.0.k : tensor<4x32xf32>
// CHECK-SAME: quant = #stc.quant<"rtn:int4-g32"
// CHECK: stc.weight @layers.0.v : tensor<4x32xf16>
// CHECK-NOT: stored
// REMARK: remark: {{.*}}layers.0.q: codes of the checkpoint kept as stored:int8-g32, relative error 0.00E+00
