// The calibration text that comes with stc, embedded by the assembler.
#include "stc/Calibration/Sequences.h"

asm(".pushsection .rodata\n"
    "stc_calibration_text:\n"
    ".incbin \"" STC_CALIBRATION_TEXT "\"\n"
    "stc_calibration_text_end:\n"
    ".popsection\n");

extern "C" const char textBegin[] asm("stc_calibration_text");
extern "C" const char textEnd[] asm("stc_calibration_text_end");

absl::string_view stc::defaultCalibrationText() {
  return {textBegin, static_cast<size_t>(textEnd - textBegin)};
}
