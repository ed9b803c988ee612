// RUN: stc-opt %s --split-input-file --verify-diagnostics --stc-lower-to-gpu=target=simt

func.func @other_dimension() -> index {
  // expected-error @below {{expects dimension x}}
  %thread = gpu.thread_id y
  return %thread : index
}

// -----

func.func @half_a_warp(%value: f32, %mask: i32) -> f32 {
  %width = arith.constant 16 : i32
  // expected-error @below {{expects mode xor of 32 bits over a whole warp}}
  %other, %valid = gpu.shuffle xor %value, %mask, %width : f32
  return %other : f32
}

// -----

func.func @nothing_simulated(%value: f32) -> f32 {
  // expected-error @below {{is nothing that simulated threads can do}}
  %sum = gpu.subgroup_reduce add %value : (f32) -> f32
  return %sum : f32
}

// -----

func.func @other_shape(%a: i32, %b: i32, %c: i32) -> !llvm.struct<(i32, i32, i32, i32)> {
  // expected-error @below {{expects m16n8k32 of bytes or m16n8k16 of bf16}}
  %d = nvvm.mma.sync A[%a, %a] B[%b] C[%c, %c, %c, %c] {intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<s8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (i32, i32, i32) -> !llvm.struct<(i32, i32, i32, i32)>
  return %d : !llvm.struct<(i32, i32, i32, i32)>
}

// -----

func.func @other_pruned_shape(%a: i32, %b: i32, %c: i32) -> !llvm.struct<(i32, i32, i32, i32)> {
  %none = arith.constant 0 : i32
  // expected-error @below {{expects m16n8k64 of signed bytes}}
  %d = nvvm.mma.sp.sync A[%a, %a] B[%b, %b] C[%c, %c, %c, %c] sparseMetadata[%a] selector[%none] {intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, multiplicandAPtxType = #nvvm.mma_type<s8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>} : (i32, i32, i32) -> !llvm.struct<(i32, i32, i32, i32)>
  return %d : !llvm.struct<(i32, i32, i32, i32)>
}
