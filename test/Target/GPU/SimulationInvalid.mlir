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
