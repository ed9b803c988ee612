// What cannot be interpreted is said in one line, and nothing crashes.
// RUN: not stc-opt %s --stc-interpret=function=unsupported -o /dev/null 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not stc-opt %s --stc-interpret=function=nothing -o /dev/null 2>&1 | FileCheck %s --check-prefix=NOTHING
// RUN: not stc-opt %s --stc-interpret=function=argument -o /dev/null 2>&1 | FileCheck %s --check-prefix=ARGUMENT
// RUN: not stc-opt %s --stc-interpret=function=declared -o /dev/null 2>&1 | FileCheck %s --check-prefix=DECLARED
// RUN: not stc-opt %s --stc-interpret=function=endless -o /dev/null 2>&1 | FileCheck %s --check-prefix=ENDLESS
// RUN: not stc-opt %s --stc-interpret=function=huge -o /dev/null 2>&1 | FileCheck %s --check-prefix=HUGE
// RUN: not stc-opt %s --stc-interpret=function=rows -o /dev/null 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not stc-opt %s --stc-interpret=function=branches -o /dev/null 2>&1 | FileCheck %s --check-prefix=BRANCHES
// RUN: not stc-opt %s --stc-interpret -o /dev/null 2>&1 | FileCheck %s --check-prefix=OPTIONS
// RUN: not stc-opt %s --stc-interpret='tokens=1' -o /dev/null 2>&1 | FileCheck %s --check-prefix=MODEL
// RUN: not stc-opt %s --stc-interpret='function=nothing weights=%t.absent' -o /dev/null 2>&1 | FileCheck %s --check-prefix=FILE

// UNKNOWN: error: math.atan: expected an operation the interpreter knows, got an unsupported operation
func.func @unsupported() -> f32 {
  %x = arith.constant 1.0 : f32
  %y = math.atan %x : f32
  return %y : f32
}

// NOTHING: error: function @nothing: expected a function, got none of that name

// ARGUMENT: error: function @argument: expected 1 arguments, got 0
func.func @argument(%x: f32) -> f32 {
  return %x : f32
}

// DECLARED: error: function @declared: expected a function with a body, got a declaration
func.func private @declared() -> f32

// ENDLESS: error: function @endless: expected at most 64 nested calls, got more
func.func @endless() {
  call @endless() : () -> ()
  return
}

// HUGE: error: tensor.empty: expected at most 268435456 elements, got 4294967296x4
func.func @huge() -> tensor<?x4xf32> {
  %n = arith.constant 4294967296 : index
  %x = tensor.empty(%n) : tensor<?x4xf32>
  return %x : tensor<?x4xf32>
}

// ROWS: error: arith.addf: expected operands of shape 1x2, got 2x2
func.func @rows() -> tensor<?x2xf32> {
  %x = arith.constant dense<1.0> : tensor<1x2xf32>
  %y = arith.constant dense<1.0> : tensor<2x2xf32>
  %a = tensor.cast %x : tensor<1x2xf32> to tensor<?x2xf32>
  %b = tensor.cast %y : tensor<2x2xf32> to tensor<?x2xf32>
  %c = arith.addf %a, %b : tensor<?x2xf32>
  return %c : tensor<?x2xf32>
}

// BRANCHES: error: function @branches: expected one block, got several
func.func @branches() {
  cf.br ^next
^next:
  return
}

// OPTIONS: error: stc-interpret: expected one of the options tokens and function, got neither
// MODEL: error: function @prefill: expected a function, got none of that name
// FILE: error: {{.*}}.absent
