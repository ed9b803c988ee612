// A model computes the same in every phase the interpreter can run, whole or token by token.
// RUN: %python %S/../Import/Inputs/checkpoint.py %t.model --model qwen2
// RUN: stc-opt %s --stc-import=path=%t.model --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null > %t.import
// RUN: FileCheck %s < %t.import
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-graph --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null | diff %t.import -
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-compressed --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null | diff %t.import -
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-packed --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null | diff %t.import -
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-packed --stc-interpret='tokens=1,5,2,2,0 max=6 one-by-one' -o /dev/null | diff %t.import -

// Compressed weights change the logits; packing them adds the rounding of activations, and neither
// depends on how the tokens are fed.
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-compressed='prune=2:4 quantize=int4' --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null > %t.compressed
// RUN: not diff %t.import %t.compressed
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-compressed='prune=2:4 quantize=int4' --stc-interpret='tokens=1,5,2,2,0 max=6 one-by-one' -o /dev/null | diff %t.compressed -
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-packed='prune=2:4 quantize=int4' --stc-interpret='tokens=1,5,2,2,0 max=6' -o /dev/null > %t.packed
// RUN: not diff %t.compressed %t.packed
// RUN: stc-opt %s --stc-import=path=%t.model --stc-to-packed='prune=2:4 quantize=int4' --stc-interpret='tokens=1,5,2,2,0 max=6 one-by-one' -o /dev/null | diff %t.packed -

// The logits of all positions: those of the last are those of the run above, and the first are those
// of a text of one token.
// RUN: stc-opt %s --stc-import=path=%t.model --stc-interpret='tokens=1,5,2,2,0 max=6 all' -o /dev/null > %t.all
// RUN: FileCheck %s --check-prefix=ALL < %t.all
// RUN: tail -1 %t.all > %t.last
// RUN: tail -1 %t.import | diff %t.last -
// RUN: stc-opt %s --stc-import=path=%t.model --stc-interpret='tokens=1 max=6' -o /dev/null | tail -1 > %t.one
// RUN: head -2 %t.all | tail -1 | diff %t.one -

// Later phases are no longer graphs.
// RUN: not stc-opt %s --stc-import=path=%t.model --stc-to-tiled --stc-interpret='tokens=1' -o /dev/null 2>&1 | FileCheck %s --check-prefix=TILED

// CHECK: argmax {{[0-5]$}}
// CHECK-NEXT: logits
// ALL: argmax
// ALL-COUNT-5: logits {{[^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+$}}
// ALL-NOT: {{.}}
// TILED: error:
