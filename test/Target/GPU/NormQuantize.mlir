// RUN: stc-opt %s %tiles --canonicalize | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// A norm whose result is only quantized never writes it: rows and weights are loaded at once, and
// besides the sum's barrier there is only the last one. Two quantizations share the norm.

// CHECK-LABEL: func.func @decode
// CHECK-NOT: memref.alloca() {alignment = 64 : i64} : memref<1x4096xf32>
// CHECK-COUNT-4: vector.load %{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-NOT: vector.load
// CHECK: gpu.barrier
// CHECK: math.sqrt
// CHECK-NOT: vector<4xf32>
// CHECK-COUNT-2: nvvm.redux.sync umax
// CHECK-COUNT-8: arith.fptosi
// CHECK-COUNT-2: vector.store {{.*}}, vector<4xi8>
// CHECK-COUNT-6: gpu.shuffle
// CHECK-COUNT-2: vector.store {{.*}}, vector<4xi8>
// CHECK: gpu.barrier
// CHECK-NOT: gpu.shuffle
// CHECK-NOT: nvvm.redux
// CHECK: packed.barrier

// Where somebody else reads the result, it is written too, and quantized from registers.

// CHECK-LABEL: func.func @prefill
// CHECK: vector.load
// CHECK: vector.load
// CHECK: math.sqrt
// CHECK: vector.store {{.*}}, vector<4xf32>
// CHECK-NOT: vector.load
// CHECK: vector.store {{.*}}, vector<4xi8>
// CHECK: packed.barrier

// PTX: redux.sync.max.u32
// PTX: redux.sync.add.s32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = f16>
!part = memref<1x4096xf32, strided<[4096, 1], offset: ?>>
module {
  packed.weight @norm : !packed.weight<1x4096, #packed.layout<rows, f32>> offset 0 bytes 16512 density 1.0
  packed.weight @small : !packed.weight<1x256, #packed.layout<rows, f32>> offset 16512 bytes 1152 density 1.0
  func.func @decode(%tokens: memref<1xi32>, %position: index, %cache: !cache, %out: memref<1x256xf32>) {
    %y = memref.alloca() {alignment = 64 : i64} : memref<1x4096xf32>
    %codes = memref.alloca() {alignment = 64 : i64} : memref<1x4096xi8>
    %scales = memref.alloca() {alignment = 64 : i64} : memref<1x32xf32>
    %sums = memref.alloca() {alignment = 64 : i64} : memref<1x32xi32>
    %codes2 = memref.alloca() {alignment = 64 : i64} : memref<1x4096xi8>
    %scales2 = memref.alloca() {alignment = 64 : i64} : memref<1x128xf32>
    %sums2 = memref.alloca() {alignment = 64 : i64} : memref<1x128xi32>
    %w = packed.get_weight @norm : <1x4096, #packed.layout<rows, f32>>
    %gain = packed.vector %w : <1x4096, #packed.layout<rows, f32>> -> memref<4096xf32>
    %x = packed.scratch() offset 0 bytes 16384 : memref<1x4096xf32>
    scf.forall (%t) in (1) {
      %row = memref.subview %x[%t, 0] [1, 4096] [1, 1] : memref<1x4096xf32> to !part
      %result = memref.subview %y[%t, 0] [1, 4096] [1, 1] : memref<1x4096xf32> to !part
      packed.rms_norm ins(%row, %gain : !part, memref<4096xf32>) outs(%result : !part) groups 1 epsilon 1.0e-05
    } {packed.replicated}
    scf.forall (%t) in (1) {
      %row = memref.subview %y[%t, 0] [1, 4096] [1, 1] : memref<1x4096xf32> to !part
      packed.quantize_activations ins(%row : !part)
          outs(%codes, %scales, %sums : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          group 128 sum_factor -8 offset 128
    } {packed.replicated}
    scf.forall (%t) in (1) {
      %row = memref.subview %y[%t, 0] [1, 4096] [1, 1] : memref<1x4096xf32> to !part
      packed.quantize_activations ins(%row : !part)
          outs(%codes2, %scales2, %sums2 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          group 32 sum_factor 0 offset 0
    } {packed.replicated}
    packed.barrier
    return
  }
  func.func @prefill(%tokens: memref<?xi32>, %position: index, %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %w = packed.get_weight @small : <1x256, #packed.layout<rows, f32>>
    %gain = packed.vector %w : <1x256, #packed.layout<rows, f32>> -> memref<256xf32>
    %x = packed.scratch(%dim) offset 0 bytes 262144 : memref<?x256xf32>
    %codes = packed.scratch(%dim) offset 262144 bytes 65536 : memref<?x256xi8>
    %scales = packed.scratch(%dim) offset 327680 bytes 8192 : memref<?x4xf32>
    %sums = packed.scratch(%dim) offset 335872 bytes 8192 : memref<?x4xi32>
    scf.forall (%t) in (%dim) {
      %row = memref.subview %x[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      %y = memref.subview %out[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      packed.rms_norm ins(%row, %gain : memref<1x256xf32, strided<[256, 1], offset: ?>>, memref<256xf32>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>) groups 1 epsilon 1.0e-05
      %c = memref.subview %codes[%t, 0] [1, 256] [1, 1] : memref<?x256xi8> to memref<1x256xi8, strided<[256, 1], offset: ?>>
      %s = memref.subview %scales[%t, 0] [1, 4] [1, 1] : memref<?x4xf32> to memref<1x4xf32, strided<[4, 1], offset: ?>>
      %n = memref.subview %sums[%t, 0] [1, 4] [1, 1] : memref<?x4xi32> to memref<1x4xi32, strided<[4, 1], offset: ?>>
      packed.quantize_activations ins(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>)
          outs(%c, %s, %n : memref<1x256xi8, strided<[256, 1], offset: ?>>,
            memref<1x4xf32, strided<[4, 1], offset: ?>>, memref<1x4xi32, strided<[4, 1], offset: ?>>)
          group 64 sum_factor -8 offset 128
    }
    packed.barrier
    return
  }
}
