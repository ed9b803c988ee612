// RUN: stc-opt %s --stc-select-layouts --split-input-file | FileCheck %s
// RUN: stc-opt %s --stc-select-layouts --split-input-file --mlir-disable-threading | FileCheck %s

// Floats: tables are rows, tied tables dense, vectors one row of f32.

// CHECK: stc.weight @table {{.*}}packed.layout = #packed.layout<rows, bf16>, packed.reason = "read row by row"
// CHECK: stc.weight @tied {{.*}}packed.layout = #packed.layout<dense, bf16>, packed.reason = "serves both embedding and head"
// CHECK: stc.weight @norm {{.*}}packed.layout = #packed.layout<rows, f32>, packed.reason = "norm weight, bias or order"
// CHECK: stc.weight @bias {{.*}}packed.layout = #packed.layout<rows, f32>
// CHECK: stc.weight @f32 {{.*}}packed.layout = #packed.layout<dense, f32>, packed.reason = "not quantized"
// CHECK: stc.weight @f16 {{.*}}packed.layout = #packed.layout<dense, f16>
// CHECK: stc.weight @pruned {{.*}}packed.layout = #packed.layout<dense, bf16>, packed.pattern = "2:4", packed.reason = "stays dense: sparse floats need a multiple of 32 columns, not 4"
// CHECK: stc.weight @unused
// CHECK-NOT: packed.layout
// CHECK: func.func
stc.weight @table : tensor<4x4xbf16> {value = dense<1.0> : tensor<4x4xbf16>}
stc.weight @tied : tensor<4x4xbf16> {value = dense<1.0> : tensor<4x4xbf16>}
stc.weight @norm : tensor<4xbf16> {value = dense<1.0> : tensor<4xbf16>}
stc.weight @bias : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @f32 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @f16 : tensor<4x4xf16> {value = dense<1.0> : tensor<4x4xf16>}
stc.weight @pruned : tensor<4x4xbf16> {value = dense<1.0> : tensor<4x4xbf16>,
    prune = #stc.prune<"magnitude:2:4", density = 5.0e-01 : f64>}
stc.weight @unused : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func @f(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<4x4xbf16>
  %tied = stc.get_weight @tied : tensor<4x4xbf16>
  %norm = stc.get_weight @norm : tensor<4xbf16>
  %bias = stc.get_weight @bias : tensor<4xf32>
  %f32 = stc.get_weight @f32 : tensor<4x4xf32>
  %f16 = stc.get_weight @f16 : tensor<4x4xf16>
  %pruned = stc.get_weight @pruned : tensor<4x4xbf16>
  %unused = stc.get_weight @unused : tensor<4xf32>
  %0 = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
  %1 = stc.embedding %tokens, %tied : (tensor<?xi32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
  %2 = stc.rms_norm %0, %norm epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xbf16>) -> tensor<?x4xf32>
  %3 = stc.linear %2, %f32 bias %bias
      : (tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %4 = stc.linear %3, %f16 : (tensor<?x4xf32>, tensor<4x4xf16>) -> tensor<?x4xf32>
  %5 = stc.linear %4, %pruned : (tensor<?x4xf32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
  %6 = stc.linear %5, %tied : (tensor<?x4xf32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
  return %6 : tensor<?x4xf32>
}

// -----

// Pruned floats, and floats whose zeros came with the checkpoint: N:M or a bitmap where it is smaller
// than dense. Tables stay as they are.

// CHECK: stc.weight @nm {{.*}}packed.layout = #packed.layout<nm, bf16, n = 2, m = 4>, packed.pattern = "2:4", packed.reason = "2:4 takes 36992 bytes, dense would take 65664"
// CHECK: stc.weight @nm8 {{.*}}packed.layout = #packed.layout<nm, f32, n = 4, m = 8>, packed.pattern = "4:8", packed.reason = "4:8 takes
// CHECK: stc.weight @bitmap {{.*}}packed.layout = #packed.layout<bitmap, f16>, packed.pattern = "0.5", packed.reason = "bitmap takes {{[0-9]+}} bytes, dense would take 65664"
// CHECK: stc.weight @few {{.*}}packed.layout = #packed.layout<dense, bf16>, packed.pattern = "0.125", packed.reason = "stays dense: 88 % of the weights are not zero, a bitmap pays off up to 75 %"
// CHECK: stc.weight @odd {{.*}}packed.layout = #packed.layout<bitmap, bf16>, packed.pattern = "1:32"
// CHECK: stc.weight @thick {{.*}}packed.layout = #packed.layout<dense, bf16>, packed.pattern = "15:16", packed.reason = "stays dense: 15:16 would take 65664 bytes, dense takes 65664"
// CHECK: stc.weight @block {{.*}}packed.layout = #packed.layout<bitmap, bf16>, packed.pattern = "block16x4:0.75", packed.reason = "as blocks hold codes only, a bitmap takes {{[0-9]+}} bytes, dense would take 65664"
// CHECK: stc.weight @found {{.*}}packed.layout = #packed.layout<nm, bf16, n = 2, m = 4>, packed.pattern = "2:4"
// CHECK: stc.weight @found_three {{.*}}packed.layout = #packed.layout<nm, f32, n = 3, m = 4>, packed.pattern = "3:4"
// CHECK: stc.weight @found_one {{.*}}packed.layout = #packed.layout<bitmap, f32>, packed.pattern = "0.96875", packed.reason = "bitmap takes 320 bytes, dense would take 2176"
// CHECK: stc.weight @found_few {{.*}}packed.layout = #packed.layout<dense, f32>, packed.reason = "not quantized"
// CHECK: stc.weight @table {{.*}}packed.layout = #packed.layout<rows, bf16>
// CHECK: stc.weight @tied {{.*}}packed.layout = #packed.layout<dense, bf16>
!w = tensor<128x256xbf16>
!h = tensor<128x256xf16>
!f = tensor<128x256xf32>
!v = tensor<1x32xf32>
stc.weight @nm : !w {value = dense<1.0> : !w, prune = #stc.prune<"magnitude:2:4", density = 5.0e-01 : f64>}
stc.weight @nm8 : !f {value = dense<1.0> : !f, prune = #stc.prune<"magnitude:4:8", density = 5.0e-01 : f64>}
stc.weight @bitmap : !h {value = dense<1.0> : !h, prune = #stc.prune<"magnitude:0.5", density = 5.0e-01 : f64>}
stc.weight @few : !w {value = dense<1.0> : !w, prune = #stc.prune<"magnitude:0.125", density = 8.75e-01 : f64>}
stc.weight @odd : !w {value = dense<1.0> : !w, prune = #stc.prune<"magnitude:1:32", density = 3.125e-02 : f64>}
stc.weight @thick : !w {value = dense<1.0> : !w, prune = #stc.prune<"magnitude:15:16", density = 9.375e-01 : f64>}
stc.weight @block : !w {value = dense<1.0> : !w, prune = #stc.prune<"magnitude:block16x4:0.75", density = 2.5e-01 : f64>}
stc.weight @found : tensor<1x32xbf16> {value = dense<[[1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0]]> : tensor<1x32xbf16>}
stc.weight @found_three : !v {value = dense<[[1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0, 1.0, 0.0, 3.0, 2.0]]> : !v}
stc.weight @found_one : !v {value = dense<[[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : !v}
stc.weight @found_few : !v {value = dense<[[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]> : !v}
stc.weight @table : !w {value = dense<0.0> : !w}
stc.weight @tied : !w {value = dense<0.0> : !w}
func.func @f(%x: tensor<?x256xf32>, %y: tensor<?x32xf32>, %tokens: tensor<?xi32>) {
  %nm = stc.get_weight @nm : !w
  %nm8 = stc.get_weight @nm8 : !f
  %bitmap = stc.get_weight @bitmap : !h
  %few = stc.get_weight @few : !w
  %odd = stc.get_weight @odd : !w
  %thick = stc.get_weight @thick : !w
  %block = stc.get_weight @block : !w
  %found = stc.get_weight @found : tensor<1x32xbf16>
  %found_three = stc.get_weight @found_three : !v
  %found_one = stc.get_weight @found_one : !v
  %found_few = stc.get_weight @found_few : !v
  %table = stc.get_weight @table : !w
  %tied = stc.get_weight @tied : !w
  %0 = stc.linear %x, %nm : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  %1 = stc.linear %x, %nm8 : (tensor<?x256xf32>, !f) -> tensor<?x128xf32>
  %2 = stc.linear %x, %bitmap : (tensor<?x256xf32>, !h) -> tensor<?x128xf32>
  %3 = stc.linear %x, %few : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  %4 = stc.linear %x, %odd : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  %5 = stc.linear %x, %thick : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  %6 = stc.linear %x, %block : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  %7 = stc.linear %y, %found : (tensor<?x32xf32>, tensor<1x32xbf16>) -> tensor<?x1xf32>
  %8 = stc.linear %y, %found_three : (tensor<?x32xf32>, !v) -> tensor<?x1xf32>
  %9 = stc.linear %y, %found_one : (tensor<?x32xf32>, !v) -> tensor<?x1xf32>
  %10 = stc.linear %y, %found_few : (tensor<?x32xf32>, !v) -> tensor<?x1xf32>
  %11 = stc.embedding %tokens, %table : (tensor<?xi32>, !w) -> tensor<?x256xf32>
  %12 = stc.embedding %tokens, %tied : (tensor<?xi32>, !w) -> tensor<?x256xf32>
  %13 = stc.linear %12, %tied : (tensor<?x256xf32>, !w) -> tensor<?x128xf32>
  return
}

// -----

// Codes: the smallest of dense, N:M and bitmap.

// CHECK: stc.weight @int8 {{.*}}packed.layout = #packed.layout<dense, i8, group = 32>, packed.reason = "quantized, not sparse"
// CHECK: stc.weight @int4 {{.*}}packed.layout = #packed.layout<dense, i4, group = 64>
// CHECK: stc.weight @nm {{.*}}packed.layout = #packed.layout<nm, i4, group = 32, n = 2, m = 4>, packed.pattern = "2:4", packed.reason = "2:4 takes {{[0-9]+}} bytes, dense would take {{[0-9]+}}"
// CHECK: stc.weight @nm_dense {{.*}}packed.layout = #packed.layout<dense, i4, group = 32>, packed.pattern = "7:8", packed.reason = "stays dense: 7:8 would take {{[0-9]+}} bytes, dense takes {{[0-9]+}}"
// CHECK: stc.weight @bitmap {{.*}}packed.layout = #packed.layout<bitmap, i8, group = 32>, packed.pattern = "0.75", packed.reason = "bitmap takes {{[0-9]+}} bytes, dense would take {{[0-9]+}}"
// CHECK: stc.weight @few {{.*}}packed.layout = #packed.layout<dense, i8, group = 32>, packed.pattern = "0.125", packed.reason = "stays dense: 88 % of the codes are not zero, a bitmap pays off up to 75 %"
// CHECK: stc.weight @odd {{.*}}packed.layout = #packed.layout<bitmap, i8, group = 32>, packed.pattern = "1:32"
// CHECK: stc.weight @found {{.*}}packed.layout = #packed.layout<nm, i8, group = 32, n = 1, m = 4>, packed.pattern = "1:4"
// CHECK: stc.weight @table {{.*}}packed.layout = #packed.layout<rows, f32>, packed.reason = "read row by row, its codes as floats"
!w = tensor<16x64xf32>
stc.weight @int8 : !w {value = dense<1.0> : !w, quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @int4 : !w {value = dense<1.0> : !w, quant = #stc.quant<"rtn:int4-g64", error = 0.0 : f64>}
stc.weight @nm : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:2:4", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @nm_dense : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:7:8", density = 8.75e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @bitmap : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:0.75", density = 2.5e-01 : f64>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @few : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:0.125", density = 8.75e-01 : f64>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @odd : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:1:32", density = 3.125e-02 : f64>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
// Zeros that came with the checkpoint count as well.
stc.weight @found : tensor<1x16xf32> {value = dense<[[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0,
                                                     0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]>
    : tensor<1x16xf32>, quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @table : !w {value = dense<1.0> : !w, quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x16xf32>, %tokens: tensor<?xi32>) {
  %int8 = stc.get_weight @int8 : !w
  %int4 = stc.get_weight @int4 : !w
  %nm = stc.get_weight @nm : !w
  %nm_dense = stc.get_weight @nm_dense : !w
  %bitmap = stc.get_weight @bitmap : !w
  %few = stc.get_weight @few : !w
  %odd = stc.get_weight @odd : !w
  %found = stc.get_weight @found : tensor<1x16xf32>
  %table = stc.get_weight @table : !w
  %0 = stc.linear %x, %int8 : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %1 = stc.linear %x, %int4 : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %2 = stc.linear %x, %nm : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %3 = stc.linear %x, %nm_dense : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %4 = stc.linear %x, %bitmap : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %5 = stc.linear %x, %few : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %6 = stc.linear %x, %odd : (tensor<?x64xf32>, !w) -> tensor<?x16xf32>
  %7 = stc.linear %y, %found : (tensor<?x16xf32>, tensor<1x16xf32>) -> tensor<?x1xf32>
  %8 = stc.embedding %tokens, %table : (tensor<?xi32>, !w) -> tensor<?x64xf32>
  return
}

// -----

// Sparse int4: pairs up to 4 of 16, masks above; blocks where enough of them are empty. Few bits and
// zeros of their own stay dense.

// CHECK: stc.weight @p4 {{.*}}packed.layout = #packed.layout<pairs, i4, group = 32, n = 4, m = 16>, packed.pattern = "4:16", packed.reason = "4:16 pairs take {{[0-9]+}} bytes, dense would take {{[0-9]+}}"
// CHECK: stc.weight @p3 {{.*}}packed.layout = #packed.layout<pairs, i4, group = 32, n = 4, m = 16>, packed.pattern = "3:16"
// CHECK: stc.weight @p2 {{.*}}packed.layout = #packed.layout<pairs, i4, group = 128, n = 2, m = 16>, packed.pattern = "2:16"
// CHECK: stc.weight @p1 {{.*}}packed.layout = #packed.layout<pairs, i4, group = 64, n = 1, m = 16>, packed.pattern = "1:16"
// CHECK: stc.weight @p1_short {{.*}}packed.layout = #packed.layout<pairs, i4, group = 32, n = 2, m = 16>, packed.pattern = "1:16", packed.reason = "2:16 pairs take
// CHECK: stc.weight @p14 {{.*}}packed.layout = #packed.layout<pairs, i4, group = 32, n = 4, m = 16>, packed.pattern = "1:4"
// CHECK: stc.weight @p8 {{.*}}packed.layout = #packed.layout<nm, i4, group = 32, n = 8, m = 16>, packed.pattern = "8:16"
// CHECK: stc.weight @bytes {{.*}}packed.layout = #packed.layout<nm, i8, group = 32, n = 4, m = 16>
// CHECK: stc.weight @block {{.*}}packed.layout = #packed.layout<block, i4, group = 32>, packed.pattern = "block16x4:0.75", packed.reason = "blocks take {{[0-9]+}} bytes, dense would take {{[0-9]+}}"
// CHECK: stc.weight @block8 {{.*}}packed.layout = #packed.layout<block, i8, group = 64>, packed.pattern = "block16x8:0.75"
// CHECK: stc.weight @block_few {{.*}}packed.layout = #packed.layout<dense, i4, group = 32>, packed.pattern = "block16x4:0.125", packed.reason = "stays dense: 88 % of the codes are not zero, a bitmap pays off up to 75 %"
// CHECK: stc.weight @block_thin {{.*}}packed.layout = #packed.layout<bitmap, i8, group = 32>, packed.pattern = "block1x4:0.75"
// CHECK: stc.weight @found {{.*}}packed.layout = #packed.layout<bitmap, i8, group = 32>, packed.pattern = "block16x4:0.75", packed.reason = "bitmap takes
// CHECK: stc.weight @three {{.*}}packed.layout = #packed.layout<dense, i3, group = 32>, packed.reason = "quantized, not sparse"
// CHECK: stc.weight @asym {{.*}}packed.layout = #packed.layout<dense, i2, group = 128, asymmetric = true>
// CHECK: stc.weight @sparse_asym {{.*}}packed.layout = #packed.layout<dense, i4, group = 32, asymmetric = true>, packed.pattern = "2:4", packed.reason = "stays dense: sparse layouts store symmetric int8 or int4, not int4-g32-asym"
// CHECK: stc.weight @rows {{.*}}packed.layout = #packed.layout<dense, i4, group = 128, per_row = true>
// CHECK: stc.weight @sparse_rows {{.*}}packed.layout = #packed.layout<pairs, i4, group = 128, n = 4, m = 16, per_row = true>
// CHECK: stc.weight @sparse_three {{.*}}packed.layout = #packed.layout<dense, i3, group = 32>, packed.pattern = "4:16", packed.reason = "stays dense: sparse layouts store symmetric int8 or int4, not int3-g32"
!w = tensor<64x256xf32>
stc.weight @p4 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:4:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @p3 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:3:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @p2 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:2:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g128", error = 0.0 : f64>}
stc.weight @p1 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:1:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g64", error = 0.0 : f64>}
stc.weight @p1_short : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:1:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @p14 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:1:4", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @p8 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:8:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @bytes : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:4:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @block : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:block16x4:0.75", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @block8 : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:block16x8:0.75", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int8-g64", error = 0.0 : f64>}
stc.weight @block_few : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:block16x4:0.125", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
stc.weight @block_thin : tensor<16x16xf32> {value = dense<[
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]]> : tensor<16x16xf32>,
    prune = #stc.prune<"magnitude:block1x4:0.75", density = 5.0e-01 : f64>, quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @found : tensor<16x16xf32> {value = dense<[
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<16x16xf32>, quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @three : !w {value = dense<1.0> : !w,
    quant = #stc.quant<"rtn:int3-g32", error = 0.0 : f64>}
stc.weight @asym : !w {value = dense<1.0> : !w,
    quant = #stc.quant<"rtn:int2-g128-asym", error = 0.0 : f64>}
stc.weight @sparse_asym : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:2:4", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32-asym", error = 0.0 : f64>}
stc.weight @rows : !w {value = dense<1.0> : !w,
    quant = #stc.quant<"rtn:int4-row", error = 0.0 : f64>}
stc.weight @sparse_rows : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:4:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-row", error = 0.0 : f64>}
stc.weight @sparse_three : !w {value = dense<1.0> : !w,
    prune = #stc.prune<"magnitude:4:16", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int3-g32", error = 0.0 : f64>}
func.func @f(%x: tensor<?x256xf32>, %y: tensor<?x16xf32>) {
  %p4 = stc.get_weight @p4 : !w
  %p3 = stc.get_weight @p3 : !w
  %p2 = stc.get_weight @p2 : !w
  %p1 = stc.get_weight @p1 : !w
  %p1_short = stc.get_weight @p1_short : !w
  %p14 = stc.get_weight @p14 : !w
  %p8 = stc.get_weight @p8 : !w
  %bytes = stc.get_weight @bytes : !w
  %block = stc.get_weight @block : !w
  %block8 = stc.get_weight @block8 : !w
  %block_few = stc.get_weight @block_few : !w
  %block_thin = stc.get_weight @block_thin : tensor<16x16xf32>
  %found = stc.get_weight @found : tensor<16x16xf32>
  %three = stc.get_weight @three : !w
  %asym = stc.get_weight @asym : !w
  %sparse_asym = stc.get_weight @sparse_asym : !w
  %rows = stc.get_weight @rows : !w
  %sparse_rows = stc.get_weight @sparse_rows : !w
  %sparse_three = stc.get_weight @sparse_three : !w
  %0 = stc.linear %x, %p4 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %1 = stc.linear %x, %p3 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %2 = stc.linear %x, %p2 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %3 = stc.linear %x, %p1 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %4 = stc.linear %x, %p1_short : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %5 = stc.linear %x, %p14 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %6 = stc.linear %x, %p8 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %7 = stc.linear %x, %bytes : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %8 = stc.linear %x, %block : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %9 = stc.linear %x, %block8 : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %10 = stc.linear %x, %block_few : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %11 = stc.linear %y, %block_thin : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %12 = stc.linear %y, %found : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %13 = stc.linear %x, %three : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %14 = stc.linear %x, %asym : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %15 = stc.linear %x, %sparse_asym : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %16 = stc.linear %x, %sparse_three : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %17 = stc.linear %x, %rows : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  %18 = stc.linear %x, %sparse_rows : (tensor<?x256xf32>, !w) -> tensor<?x64xf32>
  return
}
