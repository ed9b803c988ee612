// RUN: stc-opt %s --stc-emit-entry-points --split-input-file --verify-diagnostics

// expected-error @below {{expects a body}}
func.func private @external()

// -----

// expected-error @below {{expects tokens, position, cache, hidden state and logits as arguments, but got 'f32'}}
func.func @prefill(%x: f32) {
  return
}

// -----

// expected-error @below {{expects 2 buffers of f32 as arguments and no results}}
func.func @score(%hidden: memref<?x4xf32>) {
  return
}
