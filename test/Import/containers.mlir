// The same model from either container computes the same logits, whole or token by token.
// RUN: %python %S/Inputs/checkpoint.py %t.hf
// RUN: %python %S/Inputs/checkpoint.py %t.gguf --gguf
// RUN: stc-opt %s --stc-import=path=%t.hf --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null > %t.1
// RUN: stc-opt %s --stc-import=path=%t.gguf --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null > %t.2
// RUN: stc-opt %s --stc-import=path=%t.hf --stc-interpret='tokens=1,5,2,2,0 max=6 one-by-one' -o /dev/null > %t.3
// RUN: diff %t.1 %t.2
// RUN: diff %t.1 %t.3
// RUN: FileCheck %s < %t.1
// RUN: %python %S/Inputs/checkpoint.py %t.qwen2.hf --model qwen2
// RUN: %python %S/Inputs/checkpoint.py %t.qwen2.gguf --gguf --model qwen2
// RUN: stc-opt %s --stc-import=path=%t.qwen2.hf --stc-interpret='tokens=1,5,2 max=6' -o /dev/null > %t.4
// RUN: stc-opt %s --stc-import=path=%t.qwen2.gguf --stc-interpret='tokens=1,5,2 max=6' -o /dev/null > %t.5
// RUN: diff %t.4 %t.5
// RUN: not diff %t.1 %t.4
// RUN: stc-opt %s --stc-import=path=%t.hf | stc-opt --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null | diff %t.1 -

// CHECK: argmax {{[0-5]$}}
// CHECK-NEXT: logits {{(-?[0-9.e-]+ ){5}-?[0-9.e-]+$}}
