// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// Keys are multiplied as bytes, four at once; values become floats by a permutation of bytes.

// CHECK-LABEL: func.func @decode
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: nvvm.dot.accumulate.4way
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: nvvm.prmt

// PTX-DAG: dp4a.u32.s32
// PTX-DAG: prmt.b32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096, element = i8>
module {
  func.func @decode(%tokens: memref<1xi32>, %position: index,
      %cache: !cache, %out: memref<1x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %q = packed.scratch() offset 0 bytes 1048576 : memref<1x1024xf32>
    %p = packed.scratch() offset 1048576 bytes 36864 : memref<64x144xf32>
    scf.forall (%h, %n) in (2, %c8) {
      packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x1024xf32>)
          cache(%cache[%c1, %position] : !cache) outs(%out : memref<1x1024xf32>)
          piece %n of 512 partials(%p : memref<64x144xf32>)
          heads 8 scale 1.25e-01 window 0
    }
    packed.barrier
    return
  }
}
