// stc.cache_update and stc.attention: a cache is made for the function's argument.
// RUN: stc-opt %s --stc-interpret=function=attention -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=packed_attention -o /dev/null | FileCheck %s --check-prefix=PACKED
// RUN: stc-opt %s --stc-interpret=function=sinks -o /dev/null | FileCheck %s --check-prefix=SINKS
// RUN: stc-opt %s --stc-interpret=function=rounded -o /dev/null | FileCheck %s --check-prefix=ROUNDED
// RUN: stc-opt %s --stc-interpret=function=all -o /dev/null | FileCheck %s --check-prefix=ALL
// RUN: stc-opt %s --stc-interpret=function=biased -o /dev/null | FileCheck %s --check-prefix=BIASED
// RUN: not stc-opt %s --stc-interpret=function=no_end -o /dev/null 2>&1 | FileCheck %s --check-prefix=NOEND
// RUN: not stc-opt %s --stc-interpret=function=full -o /dev/null 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not stc-opt %s --stc-interpret=function=no_layer -o /dev/null 2>&1 | FileCheck %s --check-prefix=NOLAYER

!cache = !stc.kv_cache<layers = 2, kv_heads = 1, head_dim = 2, capacity = 16>

// Keys (0, 0) and (ln 2, 0), values (3, 0) and (0, 6). A query (1, 0) scores 0 and ln 2, so that the
// second token weighs the values by 1/3 and 2/3; the query head (0, 1) weighs them equally.
// CHECK: 2x4
// CHECK-NEXT: 3 0 3 0
// CHECK-NEXT: 0.999999999 4 1.5 3
// With a window of one every token sees itself only.
// CHECK-NEXT: 2x4
// CHECK-NEXT: 3 0 3 0
// CHECK-NEXT: 0 6 0 6
// One token later, at position 1 of the same cache.
// CHECK-NEXT: 1x4
// CHECK-NEXT: 1.5 3 0.999999999 4
func.func @attention(%cache: !cache) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %k = arith.constant dense<[[0., 0.], [0.693147181, 0.]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[3., 0.], [0., 6.]]> : tensor<2x2xf32>
  %q = arith.constant dense<[[1., 0., 0., 1.], [1., 0., 0., 1.]]> : tensor<2x4xf32>
  %p = arith.constant dense<[[0., 1., 1., 0.]]> : tensor<1x4xf32>
  // Another layer's keys are another cache.
  stc.cache_update %v, %k, %cache[%zero, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  stc.cache_update %k, %v, %cache[%one, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  %x = stc.attention %q, %cache[%one, %zero] heads 2 scale 1.0 window 0
      : (tensor<2x4xf32>, !cache, index, index) -> tensor<2x4xf32>
  %y = stc.attention %q, %cache[%one, %zero] heads 2 scale 1.0 window 1
      : (tensor<2x4xf32>, !cache, index, index) -> tensor<2x4xf32>
  %z = stc.attention %p, %cache[%one, %one] heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index) -> tensor<1x4xf32>
  return %x, %y, %z : tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>
}

// A scale of two makes the score 2 ln 2 and the weights 1/5 and 4/5.
// PACKED: 1x4
// PACKED-NEXT: 1.5 3 0.599999998 4.8
func.func @packed_attention(%cache: !cache) -> tensor<1x4xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %k = arith.constant dense<[[0., 0.], [0.693147181, 0.]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[3., 0.], [0., 6.]]> : tensor<2x2xf32>
  %p = arith.constant dense<[[0., 1., 1., 0.]]> : tensor<1x4xf32>
  stc.cache_update %k, %v, %cache[%one, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  %y0 = tensor.empty() : tensor<1x4xf32>
  %z = packed.attention ins(%p : tensor<1x4xf32>) cache(%cache[%one, %one] : !cache)
      outs(%y0 : tensor<1x4xf32>) heads 2 scale 2.0 window 0 -> tensor<1x4xf32>
  return %z : tensor<1x4xf32>
}

// Three positions, a window of one: token 2 sees itself and, with one sink, position 0.
// SINKS: 1x4
// SINKS-NEXT: 8 0 8 0
// SINKS-NEXT: 1x4
// SINKS-NEXT: 5 3 5 3
func.func @sinks(%cache: !cache) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %zero = arith.constant 0 : index
  %two = arith.constant 2 : index
  %k = arith.constant dense<0.0> : tensor<3x2xf32>
  %v = arith.constant dense<[[2., 6.], [50., 50.], [8., 0.]]> : tensor<3x2xf32>
  %q = arith.constant dense<1.0> : tensor<1x4xf32>
  stc.cache_update %k, %v, %cache[%zero, %zero] : tensor<3x2xf32>, tensor<3x2xf32>, !cache
  %x = stc.attention %q, %cache[%zero, %two] heads 2 scale 1.0 window 1
      : (tensor<1x4xf32>, !cache, index, index) -> tensor<1x4xf32>
  %y = stc.attention %q, %cache[%zero, %two] heads 2 scale 1.0 window 1 sinks 1
      : (tensor<1x4xf32>, !cache, index, index) -> tensor<1x4xf32>
  return %x, %y : tensor<1x4xf32>, tensor<1x4xf32>
}

// One position, so that the value comes back as it was stored: with f16, 0.1 is 1638.5 / 2^14 and
// 1e6 the largest number; with i8 the codes are 127 and round(127 * 0.3) = 38.
!half = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16, element = f16>
!codes = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16, element = i8>
// ROUNDED: 1x2
// ROUNDED-NEXT: 0.0999755859 65504
// ROUNDED-NEXT: 1x2
// ROUNDED-NEXT: 1 0.299212
func.func @rounded(%half: !half, %codes: !codes) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %zero = arith.constant 0 : index
  %v = arith.constant dense<[[0.1, 1.0e6]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[1.0, 0.3]]> : tensor<1x2xf32>
  stc.cache_update %w, %v, %half[%zero, %zero] : tensor<1x2xf32>, tensor<1x2xf32>, !half
  stc.cache_update %w, %w, %codes[%zero, %zero] : tensor<1x2xf32>, tensor<1x2xf32>, !codes
  %x = stc.attention %w, %half[%zero, %zero] heads 1 scale 1.0 window 0
      : (tensor<1x2xf32>, !half, index, index) -> tensor<1x2xf32>
  %y = stc.attention %w, %codes[%zero, %zero] heads 1 scale 1.0 window 0
      : (tensor<1x2xf32>, !codes, index, index) -> tensor<1x2xf32>
  return %x, %y : tensor<1x2xf32>, tensor<1x2xf32>
}

// FULL: error: position: expected 2 tokens below 16, got position 15
func.func @full(%cache: !cache) {
  %zero = arith.constant 0 : index
  %last = arith.constant 15 : index
  %k = arith.constant dense<0.0> : tensor<2x2xf32>
  stc.cache_update %k, %k, %cache[%zero, %last] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  return
}

// NOLAYER: error: layer: expected 0 to 1, got 2
func.func @no_layer(%cache: !cache) {
  %zero = arith.constant 0 : index
  %two = arith.constant 2 : index
  %k = arith.constant dense<0.0> : tensor<2x2xf32>
  stc.cache_update %k, %k, %cache[%two, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  return
}

// A score of atanh(ln 2) that is capped at 1 becomes ln 2: the weights are 1/3 and 2/3 again.
// RUN: stc-opt %s --stc-interpret=function=capped -o /dev/null | FileCheck %s --check-prefix=CAPPED
// CAPPED: 2x2
// CAPPED-NEXT: 3 0
// CAPPED-NEXT: {{1|0.99999999.*|1.00000000.*}} {{4|3.99999999.*|4.0000000.*}}
func.func @capped(%cache: !cache) -> tensor<2x2xf32> {
  %zero = arith.constant 0 : index
  %k = arith.constant dense<[[0., 0.], [0.85398804799752392, 0.]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[3., 0.], [0., 6.]]> : tensor<2x2xf32>
  %q = arith.constant dense<[[1., 0.], [1., 0.]]> : tensor<2x2xf32>
  stc.cache_update %k, %v, %cache[%zero, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  %x = stc.attention %q, %cache[%zero, %zero] heads 1 scale 1.0 window 0 soft_cap 1.0
      : (tensor<2x2xf32>, !cache, index, index) -> tensor<2x2xf32>
  return %x : tensor<2x2xf32>
}

// Equal scores. With an end every token sees all three positions, and with a window of two those
// next to it on both sides.
// ALL: 2x4
// ALL-NEXT: 20 18 20 18
// ALL-NEXT: 20 18 20 18
// ALL-NEXT: 2x4
// ALL-NEXT: 26 27 26 27
// ALL-NEXT: 20 18 20 18
func.func @all(%cache: !cache) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %zero = arith.constant 0 : index
  %three = arith.constant 3 : index
  %k = arith.constant dense<0.0> : tensor<3x2xf32>
  %v = arith.constant dense<[[2., 6.], [50., 48.], [8., 0.]]> : tensor<3x2xf32>
  %q = arith.constant dense<1.0> : tensor<2x4xf32>
  stc.cache_update %k, %v, %cache[%zero, %zero] : tensor<3x2xf32>, tensor<3x2xf32>, !cache
  %x = stc.attention %q, %cache[%zero, %zero] to %three heads 2 scale 1.0 window 0
      : (tensor<2x4xf32>, !cache, index, index, index) -> tensor<2x4xf32>
  %y = stc.attention %q, %cache[%zero, %zero] to %three heads 2 scale 1.0 window 2
      : (tensor<2x4xf32>, !cache, index, index, index) -> tensor<2x4xf32>
  return %x, %y : tensor<2x4xf32>, tensor<2x4xf32>
}

// Equal scores at position 2. Slopes of ln 2 and 0 weigh the first head's values by 1/4, 1/2 and 1.
// BIASED: 1x4
// BIASED-NEXT: 19.1428571 14.5714286 20 18
// Logits of 0 and ln 3 for a sink: the first head's three values share 3/4 of the weight, the
// second's 1/2.
// BIASED-NEXT: 1x4
// BIASED-NEXT: 15 13.5 9.9999999 8.99999991
// Distances 0, 1 and 2 have buckets 0, 1 and 2: the first head weighs them 1, 2 and 1.
// BIASED-NEXT: 1x4
// BIASED-NEXT: 27.5 25.5 20 18
// Seen from position 1 in both directions, buckets 1 and 3 are for the distances -1 and 1.
// BIASED-NEXT: 1x4
// BIASED-NEXT: 12.2857143 8.57142855 20 18
func.func @biased(%cache: !cache) -> (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %three = arith.constant 3 : index
  %k = arith.constant dense<0.0> : tensor<3x2xf32>
  %v = arith.constant dense<[[2., 6.], [50., 48.], [8., 0.]]> : tensor<3x2xf32>
  %q = arith.constant dense<1.0> : tensor<1x4xf32>
  stc.cache_update %k, %v, %cache[%zero, %zero] : tensor<3x2xf32>, tensor<3x2xf32>, !cache
  %x = stc.attention %q, %cache[%zero, %two] heads 2 scale 1.0 window 0
      slopes [0.69314718055994529, 0.0]
      : (tensor<1x4xf32>, !cache, index, index) -> tensor<1x4xf32>
  %logits = arith.constant dense<[0.0, 1.09861229]> : tensor<2xf32>
  %y = stc.attention %q, %cache[%zero, %two] sink_logits %logits heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index, tensor<2xf32>) -> tensor<1x4xf32>
  %b = arith.constant dense<[[0.0, 0.0], [0.693147182, 0.0], [0.0, 0.0], [1.38629436, 0.0]]> : tensor<4x2xf32>
  %z = stc.attention %q, %cache[%zero, %two] bias %b within 8 heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index, tensor<4x2xf32>) -> tensor<1x4xf32>
  %u = stc.attention %q, %cache[%zero, %one] to %three bias %b within 8 heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index, index, tensor<4x2xf32>) -> tensor<1x4xf32>
  return %x, %y, %z, %u : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// NOEND: expected an end from 1 to 16, got 17
func.func @no_end(%cache: !cache) -> tensor<1x4xf32> {
  %zero = arith.constant 0 : index
  %end = arith.constant 17 : index
  %q = arith.constant dense<1.0> : tensor<1x4xf32>
  %x = stc.attention %q, %cache[%zero, %zero] to %end heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index, index) -> tensor<1x4xf32>
  return %x : tensor<1x4xf32>
}
