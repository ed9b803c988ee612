// RUN: stc-opt %s --packed-replicate-small-work | FileCheck %s

// Few pieces of one token's attention are added up by every block.
// CHECK-LABEL: @few
// CHECK: packed.attention_combine
// CHECK: } {packed.replicated}
func.func @few(%p: memref<8x32xf32>, %n: index, %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 512>, %y: memref<1x16xf32>) {
  scf.forall (%h) in (4) {
    packed.attention_combine %h, %n ins(%p : memref<8x32xf32>) cache(%cache : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 512>) outs(%y : memref<1x16xf32>) heads 4
  }
  return
}

// Many are shared.
// CHECK-LABEL: @many
// CHECK: packed.attention_combine
// CHECK-NOT: packed.replicated
func.func @many(%p: memref<256x32xf32>, %n: index, %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16384>, %y: memref<1x16xf32>) {
  scf.forall (%h) in (4) {
    packed.attention_combine %h, %n ins(%p : memref<256x32xf32>) cache(%cache : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16384>) outs(%y : memref<1x16xf32>) heads 4
  }
  return
}
