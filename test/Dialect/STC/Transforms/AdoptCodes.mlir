// Matrices that a checkpoint stores as codes with scales keep them, and nothing is rounded; others, and
// weights that were pruned or quantized before, stay as they are.
// RUN: %python %S/../../../Import/Inputs/checkpoint.py %t.gguf --gguf --set hidden_size=32 --type blk.0.attn_q.weight=Q8_0 --type blk.0.attn_k.weight=Q8_0 --type blk.0.attn_v.weight=F16
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-quantize='spec=int4-g32 exclude=*.q,*.v' --stc-adopt-codes=verbose=true -o %t.mlir 2> %t.remarks
// RUN: FileCheck %s < %t.mlir
// RUN: FileCheck %s --check-prefix=REMARK --implicit-check-not=layers.0.k < %t.remarks

// The values are those that the file has: the same with and without.
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-adopt-codes --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.kept
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.floats
// RUN: diff %t.kept %t.floats

// CHECK: stc.weight @layers.0.q : tensor<8x32xf32>
// CHECK-SAME: quant = #stc.quant<"stored:int8-g32", error = 0.000000e+00 : f64>
// CHECK: stc.weight @layers.0.k : tensor<4x32xf32>
// CHECK-SAME: quant = #stc.quant<"rtn:int4-g32"
// CHECK: stc.weight @layers.0.v : tensor<4x32xf32>
// CHECK-NOT: stored
// REMARK: remark: {{.*}}layers.0.q: codes of the checkpoint kept as stored:int8-g32, relative error 0.00E+00
