// RUN: stc-opt %s --stc-quantize=spec=int4 | FileCheck %s
// RUN: stc-opt %s --stc-quantize=spec=none | FileCheck %s --check-prefix=NONE
// RUN: stc-opt %s --stc-quantize=spec=int8-g64 | FileCheck %s --check-prefix=INT8
// RUN: stc-opt %s --stc-quantize='spec=int8 exclude=w' --stc-quantize=spec=int4 | FileCheck %s --check-prefix=FIRST
// RUN: stc-opt %s --stc-prune=spec=2:4 --stc-quantize=spec=int8 --stc-interpret=function=read | FileCheck %s --check-prefix=VALUES
// RUN: not stc-opt %s --stc-quantize=spec=int5 2>&1 | FileCheck %s --check-prefix=SPEC
// RUN: not stc-opt %s --stc-quantize=spec=int4-g7 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not stc-opt %s --stc-quantize=spec=gptq:int4 2>&1 | FileCheck %s --check-prefix=METHOD

// NONE-NOT: #stc.quant

// CHECK: stc.weight @w
// CHECK-SAME: quant = #stc.quant<"rtn:int4-g32", error = 0.000000e+00 : f64>
// CHECK: stc.weight @v
// CHECK-SAME: quant = #stc.quant<"rtn:int4-g32", error = {{[0-9]}}
// CHECK: stc.weight @head
// CHECK-NOT: quant
// CHECK: func.func

// INT8: @w {{.*}}quant = #stc.quant<"rtn:int8-g64"
// FIRST: @w {{.*}}quant = #stc.quant<"rtn:int4-g32"
// FIRST: @v {{.*}}quant = #stc.quant<"rtn:int8-g32"

// Pruned weights stay zero. (The product with the identity is the transposed matrix.)
// VALUES: {{^}}4x4
// VALUES-NEXT: 0 0.{{[0-9]+}} 0.{{[0-9]+}} {{[01.]+[0-9]*}}
// VALUES-NEXT: 0 0 0 {{[01.]+[0-9]*}}
// VALUES-NEXT: 0.{{[0-9]+}} 0 0.{{[0-9]+}} 0
// VALUES-NEXT: -0.{{[0-9]+}} -0.{{[0-9]+}} 0 0

// SPEC: error: {{.*}}int5
// SPEC-NOT: error
// GROUP: error: {{.*}}g7
// GROUP-NOT: error
// METHOD: error: quantize: the method gptq needs --calibrate TEXT
// METHOD-NOT: error

stc.weight @w : tensor<4x4xf32> {value = dense<0.0> : tensor<4x4xf32>}
stc.weight @v : tensor<4x4xf32> {value = dense<[[0.1, -0.2, 0.3, -0.4], [0.4, -0.1, 0.2, -0.3],
                                                [0.5, 0.0, 0.25, 0.0], [1.0, 1.0, 1.0, 1.0]]>
                                         : tensor<4x4xf32>}
stc.weight @head : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
func.func @f(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %v = stc.get_weight @v : tensor<4x4xf32>
  %head = stc.get_weight @head : tensor<4x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %a = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %v : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %b : tensor<?x4xf32>
  }
  %z = stc.linear %y, %head : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @read() -> tensor<4x4xf32> {
  %v = stc.get_weight @v : tensor<4x4xf32>
  %identity = arith.constant dense<[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0],
                                    [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %y = stc.layer 1 (%x = %identity : tensor<4x4xf32>) {
    %t = stc.linear %x, %v : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    stc.yield %t : tensor<4x4xf32>
  }
  return %y : tensor<4x4xf32>
}
