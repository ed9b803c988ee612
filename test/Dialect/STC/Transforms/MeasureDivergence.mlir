// stc-measure-divergence: nothing is lost by doing nothing, least by repair.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids
// RUN: stc-opt %t.mlir --stc-measure-divergence='length=16 text=%t.ids,%t.ids' 2>&1 | FileCheck %s --check-prefix=SAME
// RUN: stc-opt %t.mlir --stc-quantize=spec=int2 --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.plain
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=int2 repair=false' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.gptq
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=int2' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.repaired
// RUN: %python -c "import re, sys; kl = [float(re.search('KL ([0-9.]+)', open(f).read())[1]) for f in sys.argv[1:]]; print(kl); sys.exit(not kl[0] > kl[1] > kl[2] > 0.001)" %t.plain %t.gptq %t.repaired
// RUN: not stc-opt %t.mlir --stc-measure-divergence 2>&1 | FileCheck %s --check-prefix=TEXT

// 64 windows of 16 tokens, of which 15 are predicted, of each of two texts.
// SAME: remark: 1920 tokens: perplexity [[P:[0-9.]+]], of the source [[P]]; KL {{-?}}0.000000 +- 0.000000; same next token 1.0000
// TEXT: error: stc-measure-divergence: expects a text
