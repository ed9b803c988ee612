// packed.matmul on every kind of layout; the bytes come from a script that does not know Packing.
// RUN: %python %S/Inputs/section.py %t.section
// RUN: stc-opt %s --stc-interpret='function=quantized weights=%t.section' -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret='function=floats weights=%t.section' -o /dev/null | FileCheck %s --check-prefix=FLOATS
// RUN: stc-opt %s --stc-interpret='function=epilogues weights=%t.section' -o /dev/null | FileCheck %s --check-prefix=EPILOGUES
// RUN: stc-opt %s --stc-interpret='function=split weights=%t.section' -o /dev/null | FileCheck %s --check-prefix=SPLIT
// RUN: stc-opt %s --stc-interpret='function=rows weights=%t.section' -o /dev/null | FileCheck %s --check-prefix=ROWS
// RUN: stc-opt %s --stc-interpret='function=minimums weights=%t.section' -o /dev/null | FileCheck %s --check-prefix=MINIMUMS
// RUN: not stc-opt %s --stc-interpret=function=floats -o /dev/null 2>&1 | FileCheck %s --check-prefix=MISSING

packed.weight @dense8 : !packed.weight<2x40, #packed.layout<dense, i8, group = 32>> offset 0 bytes 1216 density 1.0
packed.weight @dense4 : !packed.weight<2x40, #packed.layout<dense, i4, group = 32>> offset 1216 bytes 704 density 1.0
packed.weight @bitmap8 : !packed.weight<2x40, #packed.layout<bitmap, i8, group = 32>> offset 1920 bytes 448 density 0.5
packed.weight @bitmap4 : !packed.weight<2x40, #packed.layout<bitmap, i4, group = 32>> offset 2368 bytes 448 density 0.5
packed.weight @nm8 : !packed.weight<2x40, #packed.layout<nm, i8, group = 32, n = 2, m = 4>> offset 2816 bytes 832 density 0.5
packed.weight @nm4 : !packed.weight<2x40, #packed.layout<nm, i4, group = 32, n = 2, m = 4>> offset 3648 bytes 576 density 0.5
packed.weight @dense32 : !packed.weight<3x2, #packed.layout<dense, f32>> offset 4608 bytes 256 density 1.0
packed.weight @dense3 : !packed.weight<2x40, #packed.layout<dense, i3, group = 32>> offset 4864 bytes 576 density 0.5
packed.weight @dense4z : !packed.weight<2x40, #packed.layout<dense, i4, group = 32, asymmetric = true>> offset 5440 bytes 768 density 0.5
packed.weight @pairs8 : !packed.weight<2x40, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>> offset 6208 bytes 704 density 0.5
packed.weight @block8 : !packed.weight<2x40, #packed.layout<block, i8, group = 32>> offset 6912 bytes 1024 density 0.5
packed.weight @block4 : !packed.weight<2x40, #packed.layout<block, i4, group = 32>> offset 7936 bytes 704 density 0.5
packed.weight @dense16 : !packed.weight<3x2, #packed.layout<dense, bf16>> offset 8640 bytes 192 density 1.0
packed.weight @dense4r : !packed.weight<2x40, #packed.layout<dense, i4, group = 128, per_row = true>> offset 8832 bytes 1216 density 0.5
packed.weight @dense4m : !packed.weight<2x40, #packed.layout<dense, i4, group = 16, minimums = true>> offset 10048 bytes 768 density 1.0

// Activations are 1 but for 127 in column 0 and -127 in column 32, so that every scale is 1.
// Row 0: 0.5 * (127 + 7 - 2 * 8) + 0.25 * (-127 + 1 - 2 * 2) = 59 - 32.5.
// Row 1: 1 * (3 * 8 - 8) + 2 * (3 * 2 - 2) = 16 + 8.
// CHECK: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// CHECK-NEXT: 1x2
// CHECK-NEXT: 26.5 24
// With a bias of (100, 200) and a residual of (1000, 2000).
// CHECK-NEXT: 1x2
// CHECK-NEXT: 1126.5 2224
!r = tensor<1x2xf32>
func.func @quantized() -> (!r, !r, !r, !r, !r, !r, !r, !r, !r, !r, !r) {
  %x = arith.constant dense<[[127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]> : tensor<1x40xf32>
  %c0 = tensor.empty() : tensor<1x64xi8>
  %s0 = tensor.empty() : tensor<1x2xf32>
  %t0 = tensor.empty() : tensor<1x2xi32>
  %y0 = tensor.empty() : !r
  %b = arith.constant dense<[100.0, 200.0]> : tensor<2xf32>
  %residual = arith.constant dense<[[1000.0, 2000.0]]> : !r
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x40xf32>)
      outs(%c0, %s0, %t0 : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>) group 32
      -> tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>
  // Pairs and blocks take activations as unsigned bytes.
  %u, %us, %ut = packed.quantize_activations ins(%x : tensor<1x40xf32>)
      outs(%c0, %s0, %t0 : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>) group 32 offset 128
      -> tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>
  %dense8 = packed.get_weight @dense8 : !packed.weight<2x40, #packed.layout<dense, i8, group = 32>>
  %1 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%dense8 : !packed.weight<2x40, #packed.layout<dense, i8, group = 32>>) outs(%y0 : !r) -> !r
  %dense4 = packed.get_weight @dense4 : !packed.weight<2x40, #packed.layout<dense, i4, group = 32>>
  %2 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%dense4 : !packed.weight<2x40, #packed.layout<dense, i4, group = 32>>) outs(%y0 : !r) -> !r
  %bitmap8 = packed.get_weight @bitmap8 : !packed.weight<2x40, #packed.layout<bitmap, i8, group = 32>>
  %3 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%bitmap8 : !packed.weight<2x40, #packed.layout<bitmap, i8, group = 32>>) outs(%y0 : !r) -> !r
  %bitmap4 = packed.get_weight @bitmap4 : !packed.weight<2x40, #packed.layout<bitmap, i4, group = 32>>
  %4 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%bitmap4 : !packed.weight<2x40, #packed.layout<bitmap, i4, group = 32>>) outs(%y0 : !r) -> !r
  %nm8 = packed.get_weight @nm8 : !packed.weight<2x40, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>
  %5 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%nm8 : !packed.weight<2x40, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>) outs(%y0 : !r) -> !r
  %dense3 = packed.get_weight @dense3 : !packed.weight<2x40, #packed.layout<dense, i3, group = 32>>
  %6 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%dense3 : !packed.weight<2x40, #packed.layout<dense, i3, group = 32>>)
      outs(%y0 : !r) -> !r
  %dense4z = packed.get_weight @dense4z : !packed.weight<2x40, #packed.layout<dense, i4, group = 32, asymmetric = true>>
  %7 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%dense4z : !packed.weight<2x40, #packed.layout<dense, i4, group = 32, asymmetric = true>>)
      outs(%y0 : !r) -> !r
  %pairs8 = packed.get_weight @pairs8 : !packed.weight<2x40, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>
  %8 = packed.matmul ins(%u, %us, %ut : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%pairs8 : !packed.weight<2x40, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>)
      outs(%y0 : !r) -> !r
  %block8 = packed.get_weight @block8 : !packed.weight<2x40, #packed.layout<block, i8, group = 32>>
  %9 = packed.matmul ins(%u, %us, %ut : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%block8 : !packed.weight<2x40, #packed.layout<block, i8, group = 32>>)
      outs(%y0 : !r) -> !r
  %block4 = packed.get_weight @block4 : !packed.weight<2x40, #packed.layout<block, i4, group = 32>>
  %10 = packed.matmul ins(%u, %us, %ut : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%block4 : !packed.weight<2x40, #packed.layout<block, i4, group = 32>>)
      outs(%y0 : !r) -> !r
  %nm4 = packed.get_weight @nm4 : !packed.weight<2x40, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>
  %11 = packed.matmul ins(%c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>)
      weight(%nm4 : !packed.weight<2x40, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>)
      bias(%b : tensor<2xf32>) residual(%residual : !r) outs(%y0 : !r)
      config <tokens = 1, accumulators = 4, prefetch = 0> -> !r
  return %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11
      : !r, !r, !r, !r, !r, !r, !r, !r, !r, !r, !r
}

// One scale for a row: 0.5 * (127 + 7 - 2 * 8 - 127 + 1 - 2 * 2) and 1 * (3 * 10 - 10).
// ROWS: 1x2
// ROWS-NEXT: -6 20
func.func @rows() -> !r {
  %x = arith.constant dense<[[127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]> : tensor<1x40xf32>
  %c0 = tensor.empty() : tensor<1x128xi8>
  %s0 = tensor.empty() : tensor<1x1xf32>
  %t0 = tensor.empty() : tensor<1x1xi32>
  %y0 = tensor.empty() : !r
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x40xf32>)
      outs(%c0, %s0, %t0 : tensor<1x128xi8>, tensor<1x1xf32>, tensor<1x1xi32>) group 128
      -> tensor<1x128xi8>, tensor<1x1xf32>, tensor<1x1xi32>
  %w = packed.get_weight @dense4r : !packed.weight<2x40, #packed.layout<dense, i4, group = 128, per_row = true>>
  %y = packed.matmul ins(%c, %s, %t : tensor<1x128xi8>, tensor<1x1xf32>, tensor<1x1xi32>)
      weight(%w : !packed.weight<2x40, #packed.layout<dense, i4, group = 128, per_row = true>>)
      outs(%y0 : !r) -> !r
  return %y : !r
}

// Codes are 8 more than those above, times scales, minus minimums that are not quite 8 times those:
// 0.5 * 122 + 0.5 * 142, 0.25 * 122 - 0.25 * 142 and 2 * -130 + -120; 8, 2 * 8 - 142 and 0.5 * 4.
// MINIMUMS: 1x2
// MINIMUMS-NEXT: -253 -116
func.func @minimums() -> !r {
  %x = arith.constant dense<[[127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -127.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]> : tensor<1x40xf32>
  %c0 = tensor.empty() : tensor<1x48xi8>
  %s0 = tensor.empty() : tensor<1x3xf32>
  %t0 = tensor.empty() : tensor<1x3xi32>
  %y0 = tensor.empty() : !r
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x40xf32>)
      outs(%c0, %s0, %t0 : tensor<1x48xi8>, tensor<1x3xf32>, tensor<1x3xi32>) group 16 sum_factor -1
      -> tensor<1x48xi8>, tensor<1x3xf32>, tensor<1x3xi32>
  %w = packed.get_weight @dense4m : !packed.weight<2x40, #packed.layout<dense, i4, group = 16, minimums = true>>
  %y = packed.matmul ins(%c, %s, %t : tensor<1x48xi8>, tensor<1x3xf32>, tensor<1x3xi32>)
      weight(%w : !packed.weight<2x40, #packed.layout<dense, i4, group = 16, minimums = true>>)
      outs(%y0 : !r) -> !r
  return %y : !r
}

// FLOATS: 2x3
// FLOATS-NEXT: 21 43 65
// FLOATS-NEXT: -1 -1 -1
// FLOATS-NEXT: 2x3
// FLOATS-NEXT: 22 45 68
// FLOATS-NEXT: 0 1 2
// MISSING: error: @dense32: expected 256 bytes at 4608 of the weights section, got a section of 0 bytes
func.func @floats() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %x = arith.constant dense<[[1.0, 10.0], [1.0, -1.0]]> : tensor<2x2xf32>
  %b = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %y0 = tensor.empty() : tensor<2x3xf32>
  %w = packed.get_weight @dense32 : !packed.weight<3x2, #packed.layout<dense, f32>>
  %y = packed.matmul ins(%x : tensor<2x2xf32>)
      weight(%w : !packed.weight<3x2, #packed.layout<dense, f32>>)
      outs(%y0 : tensor<2x3xf32>) -> tensor<2x3xf32>
  %z = packed.matmul ins(%x : tensor<2x2xf32>)
      weight(%w : !packed.weight<3x2, #packed.layout<dense, f32>>) bias(%b : tensor<3xf32>)
      outs(%y0 : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y, %z : tensor<2x3xf32>, tensor<2x3xf32>
}

// A gate before the residual. EPILOGUES: 2x3
// EPILOGUES-NEXT: 43 1 131
// EPILOGUES-NEXT: 1 0 -1
func.func @epilogues() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1.0, 10.0], [1.0, -1.0]]> : tensor<2x2xf32>
  %gate = arith.constant dense<[[2.0, -3.0, 2.0], [0.0, 1.0, 2.0]]> : tensor<2x3xf32>
  %r = arith.constant dense<1.0> : tensor<2x3xf32>
  %y0 = tensor.empty() : tensor<2x3xf32>
  %w = packed.get_weight @dense32 : !packed.weight<3x2, #packed.layout<dense, f32>>
  %y = packed.matmul ins(%x : tensor<2x2xf32>)
      weight(%w : !packed.weight<3x2, #packed.layout<dense, f32>>)
      gate <relu>(%gate : tensor<2x3xf32>) residual(%r : tensor<2x3xf32>)
      outs(%y0 : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Both halves count, and nothing else: (3 + 0.5, 5 + 0.25) times the rows of the table.
// SPLIT: 1x3
// SPLIT-NEXT: 14 31.5 49
func.func @split() -> tensor<1x3xf32> {
  %x = arith.constant dense<[[0.0, 0.0]]> : tensor<1x2xf32>
  %h = arith.constant dense<[[3.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<1x64xbf16>
  %y0 = tensor.empty() : tensor<1x3xf32>
  %w = packed.get_weight @dense16 : !packed.weight<3x2, #packed.layout<dense, bf16>>
  %y = packed.matmul ins(%x, %h : tensor<1x2xf32>, tensor<1x64xbf16>)
      weight(%w : !packed.weight<3x2, #packed.layout<dense, bf16>>)
      outs(%y0 : tensor<1x3xf32>) -> tensor<1x3xf32>
  return %y : tensor<1x3xf32>
}
