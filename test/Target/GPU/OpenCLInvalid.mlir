// RUN: stc-opt %s --split-input-file --verify-diagnostics --stc-lower-to-gpu=target=spirv64

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

func.func @nothing_of_opencl(%value: f32) -> f32 {
  // expected-error @below {{is nothing that OpenCL has}}
  %sum = gpu.subgroup_reduce add %value : (f32) -> f32
  return %sum : f32
}

// -----

func.func @lone_fence() {
  // expected-error @below {{expects acq_rel and an addition behind it}}
  llvm.fence syncscope("device") acq_rel
  return
}

// -----

func.func @wide_counter(%counter: !llvm.ptr<1>) -> i64 {
  // expected-error @below {{expects to load i32 from global memory, acquire}}
  %value = llvm.load %counter atomic acquire {alignment = 8 : i64} : !llvm.ptr<1> -> i64
  return %value : i64
}
