// RUN: stc-opt %s --stc-quantize-head=spec=int8-g64 | FileCheck %s
// RUN: stc-opt %s --stc-quantize-head=spec=none | FileCheck %s --check-prefix=NONE
// RUN: stc-opt %s --stc-quantize-head=spec=int4 --stc-quantize-head=spec=int8 | FileCheck %s --check-prefix=FIRST
// RUN: stc-opt %s --stc-quantize-head=spec=int8 --stc-select-layouts | FileCheck %s --check-prefix=LAYOUTS
// RUN: stc-opt %s --stc-quantize-head='spec=int8 verbose' 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: not stc-opt %s --stc-quantize-head=spec=int5 2>&1 | FileCheck %s --check-prefix=SPEC
// RUN: not stc-opt %s --stc-quantize-head=spec=awq:int8 2>&1 | FileCheck %s --check-prefix=METHOD

// NONE-NOT: #stc.quant
// SPEC: error: quantize: expected none, int8, int4, int3 or int2, {{.*}}, got int5
// METHOD: error: quantize: the method awq needs --calibrate TEXT

// An embedding that is tied to the head keeps its precision, and so do weights of layers.
// CHECK: stc.weight @table : tensor<8x4xbf16> {value = {{[^#]*$}}
// CHECK: stc.weight @table.head_0 : tensor<8x4xbf16> {quant = #stc.quant<"rtn:int8-g64"
// CHECK: stc.weight @table.head : tensor<4xf32>
// CHECK: stc.weight @layer : tensor<4x4xf32>
// CHECK-NOT: quant
// CHECK: stc.weight @untied {{.*}}quant = #stc.quant<"rtn:int8-g64"
// CHECK: func.func @f
// CHECK: %[[TABLE:.*]] = stc.get_weight @table :
// CHECK: stc.embedding %{{.*}}, %[[TABLE]]
// CHECK: %[[HEAD:.*]] = stc.get_weight @table.head_0
// CHECK: stc.linear %{{.*}}, %[[HEAD]]

// FIRST: @table.head_0 {{.*}}rtn:int4-g32
// FIRST: @untied {{.*}}rtn:int4-g32

// LAYOUTS: @table : {{.*}}packed.layout = #packed.layout<rows, bf16>, packed.reason = "read row by row"
// LAYOUTS: @table.head_0 {{.*}}packed.layout = #packed.layout<dense, i8, group = 32>

// REMARK: remark: table.head_0: quantized as rtn:int8-g32: relative error 0.00
// REMARK: remark: untied: quantized as rtn:int8-g32

stc.weight @table : tensor<8x4xbf16> {value = dense<0.5> : tensor<8x4xbf16>}
stc.weight @table.head : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @layer : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @untied : tensor<8x4xbf16> {value = dense<0.25> : tensor<8x4xbf16>}
func.func @f(%tokens: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %table = stc.get_weight @table : tensor<8x4xbf16>
  %norm = stc.get_weight @table.head : tensor<4xf32>
  %layer = stc.get_weight @layer : tensor<4x4xf32>
  %untied = stc.get_weight @untied : tensor<8x4xbf16>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xbf16>) -> tensor<?x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %a = stc.linear %x, %layer : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %a : tensor<?x4xf32>
  }
  %n = stc.rms_norm %y, %norm epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %u = stc.linear %n, %table : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
  %v = stc.linear %n, %untied : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
  return %u, %v : tensor<?x8xf32>, tensor<?x8xf32>
}
