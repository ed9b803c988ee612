// The shared models: large enough to be real, small enough to run.
// REQUIRES: shared
// RUN: stc-opt %s --stc-import=path=%shared/models/stories260k --stc-interpret='tokens=1,403,407,261,378 max=3' -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-import=path=%shared/models/stories260k.gguf --stc-interpret='tokens=1,403,407,261,378 max=3' -o /dev/null | FileCheck %s
// RUN: not stc-opt %s --stc-import=path=%shared/models/tiny-gpt2 2>&1 | FileCheck %s --check-prefix=GPT2

// CHECK: argmax 432
// CHECK-NEXT: logits -10.13657{{[0-9]+}} -5.32946{{[0-9]+}} -10.13808{{[0-9]+}}
// GPT2: error: {{.*}}config.json: model_type: expected one of {{.*}}, got 'gpt2'
