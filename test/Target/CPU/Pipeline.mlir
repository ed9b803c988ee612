// RUN: stc-opt %s --stc-phase-tiled | FileCheck %s --check-prefix=TILED
// RUN: stc-opt %s --stc-phase-tiled --stc-phase-vector | FileCheck %s --check-prefix=VECTOR
// RUN: stc-opt %s --stc-phase-tiled --stc-phase-vector --stc-phase-llvm -o %t
// RUN: FileCheck %s --check-prefix=LLVM < %t
// RUN: mlir-translate --mlir-to-llvmir %t | FileCheck %s --check-prefix=IR
// RUN: stc-opt %s --stc-phase-tiled --stc-phase-vector --stc-phase-llvm --mlir-disable-threading | diff %t -

// One small model from the packed phase to LLVM IR. Nothing is copied, every buffer has its place,
// the two layers share one function.

!norm = !packed.weight<1x32, #packed.layout<rows, f32>>
!square = !packed.weight<32x32, #packed.layout<dense, bf16>>
!table = !packed.weight<48x32, #packed.layout<dense, bf16>>
!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 8, capacity = 16>
!kv = !packed.weight<16x32, #packed.layout<dense, bf16>>

packed.weight @table : !table offset 0 bytes 3200 density 1.0
packed.weight @norm.0 : !norm offset 3200 bytes 256 density 1.0
packed.weight @q.0 : !square offset 3456 bytes 2176 density 1.0
packed.weight @kv.0 : !kv offset 5632 bytes 1152 density 1.0
packed.weight @norm.1 : !norm offset 6784 bytes 256 density 1.0
packed.weight @q.1 : !square offset 7040 bytes 2176 density 1.0
packed.weight @kv.1 : !kv offset 9216 bytes 1152 density 1.0

// TILED: module attributes {stc.arena_bytes = {{[0-9]+}} : i64}
// TILED: func.func private @layer(%[[H:.*]]: memref<?x32xf32>
// TILED-NOT: memref.copy
// TILED: scf.forall
// TILED: packed.matmul_tile {{.*}} residual(%[[H]] : {{.*}}) outs(%[[H]] :
// TILED-NOT: memref.copy
// TILED-NOT: memref.alloc
// TILED: func.func @prefill({{.*}}, %[[OUT:.*]]: memref<?x32xf32>)
// TILED: packed.scratch
// TILED: scf.for
// TILED: packed.weight_row
// TILED: func.call @layer
// TILED: scf.forall
// TILED: vector.store {{.*}}, %[[OUT]]

// VECTOR-NOT: scf.forall
// VECTOR: func.func private @layer
// VECTOR: packed.thread
// VECTOR: packed.barrier
// VECTOR-NOT: math.exp

// LLVM-NOT: memref
// LLVM-NOT: unrealized_conversion_cast
// LLVM-DAG: llvm.mlir.global external constant @stc_model_abi_version(5 : i32)
// LLVM-DAG: llvm.mlir.global external constant @stc_model_fingerprint
// LLVM-DAG: llvm.func internal @layer
// LLVM-DAG: llvm.func @stc_model_prefill(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)

// IR-DAG: define internal void @layer(
// IR-DAG: define internal void @prefill(
// IR-DAG: define void @stc_model_prefill(ptr %0, i64 %1, i64 %2)
// IR-DAG: declare void @stc_rt_barrier(ptr)

func.func private @layer(%h: tensor<?x32xf32>, %layer: index, %cos: tensor<?x4xf32>,
                         %sin: tensor<?x4xf32>, %cache: !cache, %position: index, %norm: !norm,
                         %q: !square, %kv: !kv) -> tensor<?x32xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %h, %c0 : tensor<?x32xf32>
  %e = tensor.empty(%n) : tensor<?x32xf32>
  %f = tensor.empty(%n) : tensor<?x16xf32>
  %v = packed.vector %norm : !norm -> tensor<32xf32>
  %x = stc.rms_norm %h, %v epsilon 1.0e-05
      : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  %a = packed.matmul ins(%x : tensor<?x32xf32>) weight(%q : !square)
      outs(%e : tensor<?x32xf32>) -> tensor<?x32xf32>
  %k = packed.matmul ins(%x : tensor<?x32xf32>) weight(%kv : !kv)
      outs(%f : tensor<?x16xf32>) -> tensor<?x16xf32>
  %ra = packed.rotary ins(%a, %cos, %sin : tensor<?x32xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%a : tensor<?x32xf32>) -> tensor<?x32xf32>
  %rk = packed.rotary ins(%k, %cos, %sin : tensor<?x16xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%k : tensor<?x16xf32>) -> tensor<?x16xf32>
  stc.cache_update %rk, %rk, %cache[%layer, %position]
      : tensor<?x16xf32>, tensor<?x16xf32>, !cache
  %s = packed.attention ins(%ra : tensor<?x32xf32>) cache(%cache[%layer, %position] : !cache)
      outs(%e : tensor<?x32xf32>) heads 4 scale 3.5e-01 window 0 -> tensor<?x32xf32>
  %g = stc.gated_activation <silu> %s, %x
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %y = packed.matmul ins(%g : tensor<?x32xf32>) weight(%q : !square)
      residual(%h : tensor<?x32xf32>) outs(%e : tensor<?x32xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

func.func @prefill(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> tensor<?x32xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %tokens, %c0 : tensor<?xi32>
  %e = tensor.empty(%n) : tensor<?x32xf32>
  %w = packed.get_weight @table : !table
  %h = packed.gather ins(%tokens : tensor<?xi32>) table(%w : !table)
      outs(%e : tensor<?x32xf32>) -> tensor<?x32xf32>
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.1, 0.01, 0.001]
      : (tensor<?xi32>, index) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  %y = stc.repeat @layer(%h) captures(%cos, %sin, %cache, %position
      : tensor<?x4xf32>, tensor<?x4xf32>, !cache, index) first 0
      weights [[@norm.0, @q.0, @kv.0], [@norm.1, @q.1, @kv.1]] : tensor<?x32xf32>
  %g = packed.get_weight @norm.0 : !norm
  %v = packed.vector %g : !norm -> tensor<32xf32>
  %x = stc.rms_norm %y, %v epsilon 1.0e-05
      : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  return %x : tensor<?x32xf32>
}
