// RUN: stc-opt %s --packed-plan-arena --split-input-file --verify-diagnostics

// expected-error @below {{expects no recursive calls}}
func.func @recursive() {
  call @recursive() : () -> ()
  return
}

// -----

// expected-error @below {{expects no buffers among the results}}
func.func @result() -> memref<4xf32> {
  %a = memref.alloc() : memref<4xf32>
  return %a : memref<4xf32>
}

// -----

func.func @large(%n: index, %m: index) {
  // expected-error @below {{expects a buffer below 2^63 bytes}}
  %a = memref.alloc(%n, %m) : memref<?x?x9223372036854775807xf32>
  return
}

// -----

func.func @strided() {
  // expected-error @below {{expects numbers in the identity layout}}
  %a = memref.alloc() : memref<4xf32, strided<[2]>>
  return
}
