// The shared models: large enough to be real, small enough to run.
// REQUIRES: shared
// RUN: stc-opt %s --stc-import=path=%shared/models/stories260k --stc-interpret='tokens=1,403,407,261,378 max=3' -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-import=path=%shared/models/stories260k.gguf --stc-interpret='tokens=1,403,407,261,378 max=3' -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-import=path=%shared/models/tiny-gpt2 --stc-interpret='tokens=42,41,239,151,178,181,214,11,147,46,122,278,165,23,164,41,227,284,293,187,260,112,46,154,134,199,298,84,257,43,106,237,76,202,139,155,282,245,252,166 max=3' -o /dev/null | FileCheck %s --check-prefix=GPT2

// CHECK: argmax 432
// CHECK-NEXT: logits -10.13657{{[0-9]+}} -5.32946{{[0-9]+}} -10.13808{{[0-9]+}}
// GPT2: logits 0.4464{{[0-9]+}} -0.9228{{[0-9]+}} 0.2271{{[0-9]+}}
