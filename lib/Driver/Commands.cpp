// The commands of `stc`: compile, inspect, tokenize, and a model's own commands on a checkpoint.
#include "stc/Runtime/Commands.h"
#include "stc/Dialect/STC/Utils/Budget.h"
#include "stc/Driver/Cache.h"
#include "stc/Driver/Compile.h"
#include "stc/Driver/Driver.h"
#include "stc/Driver/Inspect.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Runtime/Args.h"
#include "stc/Runtime/Output.h"
#include "stc/Support/Process.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cstdio>
#include <malloc.h>

using namespace stc;

/// Options that shape a compilation, shared by `compile` and the commands that compile first.
static std::vector<Option> compileOptions() {
  return {
      {"--prune", "", "SPEC",
       "which weights to remove: none, 0.5 (unstructured), 2:4, 4:16 ... (N of M kept),\n"
       "block16x4:0.75 (blocks of 16 rows x 4 columns, three quarters removed);\n"
       "`magnitude:`, or with --calibrate `wanda:`, `sparsegpt:` or `alps:`, may stand in\n"
       "front; the default is the best of them there is (default none)"},
      {"--prune-channels", "", "SHARE",
       "remove this share of the feed-forward channels, between half and one and a half times\n"
       "of it from each layer, in multiples of 16: the model itself gets smaller"},
      {"--prune-groups", "", "SHARE", "the same of key/value heads, with their query heads"},
      {"--prune-heads", "", "SHARE", "the same of the query heads of every key/value head"},
      {"--prune-experts", "", "SHARE", "the same of the experts of a mixture"},
      {"--prune-layers", "", "N", "remove the N layers that change their input least"},
      {"--attention", "", "SPEC",
       "which positions tokens see: none (what the model says), window:256 or window:256+4 (with\n"
       "the first 4), dilated:64x4 (64 positions, every 4th), strided:64, fixed:64x8, "
       "local:256+16,\n"
       "bigbird:64x3+1+2@7, blocks:64:0/0,1/1,2; 'layers.0=none;*=strided:64' says it layer by\n"
       "layer (default none)"},
      {"--rotate", "", "",
       "fold Hadamard rotations of the hidden state and of values into the weights first: the\n"
       "same model, but without channels so large that int8 activations round the others away"},
      {"--quantize", "", "SPEC",
       "none, or int8, int4, int3 or int2 with the columns that share a scale, -g16 (not int3),\n"
       "-g32 (the default), -g64, -g128 or -row (all), and perhaps -asym, which gives each scale a "
       "zero\n"
       "of its own: int8-g64, int4-g128, int3-g32-asym, int8-row; `rtn:`, or with --calibrate "
       "`gptq:`, may stand\n"
       "in front. By default codes that a checkpoint stores are kept, and floats with none"},
      {"--recipe", "", "FILE",
       "a YAML file that says how each weight is compressed and on which text; see\n"
       "examples/recipes. It takes the place of --prune, --quantize, --calibrate, --exclude and\n"
       "--head"},
      {"--budget", "", "LIMIT",
       "find a recipe within a limit and write it as OUT.recipe.yaml: kl<=0.02 (nats per\n"
       "token), ppl<=1.03 (times the source's; from 2 on absolute), bytes<=4.2M (all weights),\n"
       "tokens/s>=50 (on this machine). It calibrates on `default` or the text given"},
      {"--objective", "", "WHAT",
       "what to make of it: speed (the default) or size beside kl and ppl, quality else"},
      {"--calibrate", "", "TEXT",
       "compress on the inputs that this text gives every layer, and fit what is left to the\n"
       "uncompressed model; `default` is a text that comes with stc, FILE.ids holds token ids"},
      {"--calibrate-sequences", "", "N", "sequences of that text at most (default 128)"},
      {"--calibrate-length", "", "N", "their tokens (default 256)"},
      {"--ratios", "", "WHICH",
       "how zeros are spread over layers: uniform (the default), or with --calibrate owl:\n"
       "fewer where more weights stand out, the mean is that of --prune"},
      {"--exclude", "", "PATTERN,...",
       "leave the weights alone whose names match, e.g. 'layers.0.*' or '*.{v,down}'; names are\n"
       "those of `stc inspect`; may be given several times",
       /*repeats=*/true},
      {"--no-repair", "", "", "do not fit what is left to the uncompressed model"},
      {"--repair-sweeps", "", "N", "rounds of fitting scales and codes (default 2)"},
      {"--head", "", "SPEC",
       "how to quantize the output head, the same forms; auto: int8 in the groups of\n"
       "--quantize, where that is not none. An embedding tied to it keeps its precision\n"
       "(default auto)"},
      {"--target", "", "CPU,...",
       "native, x86-64-v2, x86-64-v3, x86-64-v4, an LLVM CPU name, aarch64 or riscv64, with\n"
       "+feature suffixes; several, separated by commas, make one program that runs the best\n"
       "of them that its processor can (default native). GPUs beside them: nvptx-sm_80, sm_86,\n"
       "sm_89, sm_90, sm_90a, sm_100, sm_100a, sm_120 or sm_120a; amdgpu-gfx90a, gfx942 or\n"
       "gfx1100; spirv64 (OpenCL)"},
      {"--max-context", "", "N",
       "positions the key/value cache holds (default: the checkpoint's, at most 4096)"},
      {"--kv-cache", "", "TYPE",
       "how the cache keeps keys and values: f32, f16, int8 with a scale for each key and\n"
       "value (a quarter of f32's bytes, and the fastest in long contexts), or fp8 (e4m3: a\n"
       "quarter without scales, for magnitudes up to 448); auto: f16, or f32 where --quantize\n"
       "is none (default auto)"},
      {"--activations", "", "TYPE",
       "what tensor cores of GPUs multiply weights by, where there are many tokens: exact (as far\n"
       "as float weights promise), rounded once to the 16 bits of such weights, with half to a\n"
       "third of the products, or, of weights with scales of rows, int8 with one scale for each\n"
       "token: per-token (default exact)"},
      {"--threads", "", "N", "threads of the compiler (default: one per core)"},
  };
}

static CommandSpec compileSpec() {
  CommandSpec spec{
      "compile",
      "MODEL",
      "turn a checkpoint into a model binary",
      "MODEL is a Hugging Face directory, a .safetensors file beside its config.json,\n"
      "a .gguf file, or a .mlir file of stc's IR.",
      compileOptions(),
      {"compile examples/books -o books --quantize int4",
       "compile llama.gguf -o llama --prune 2:4 --quantize int4-g128",
       "compile examples/books -o books --calibrate default --prune 6:8 --quantize int4",
       "compile examples/books -o books --recipe examples/recipes/int4.yaml",
       "compile examples/books -o books --budget 'kl<=0.02'",
       "compile examples/books -o books --calibrate default --prune-channels 0.25",
       "compile examples/books -o books --quantize int4 --report books.html",
       "compile examples/books -o books --target sapphirerapids,x86-64-v3,x86-64-v2",
       "compile examples/books -o books --quantize int4 --target nvptx-sm_90,native",
       "compile examples/books --emit=mlir:packed -o - --quantize int8",
       "compile examples/books --emit=shared -o books   # books.so, .h, .weights",
       "compile examples/books --emit=gguf -o books.gguf --calibrate default --quantize int4"},
      1,
      1};
  spec.options.insert(
      spec.options.begin(),
      {{"--output", "-o", "OUT", "what to write (default: the model's name; - prints text kinds)"},
       {"--emit", "", "KIND",
        "exe, shared, object, asm, ptx (of NVIDIA's GPUs), hsaco (of AMD's), spirv (of OpenCL's),\n"
        "llvm, or mlir:PHASE with PHASE one of import, graph, compressed, packed, tiled, vector, "
        "llvm\n"
        "(default exe); or the compressed weights as\n"
        "a checkpoint: safetensors (a directory as compressed-tensors has it) or gguf"}});
  spec.options.insert(
      spec.options.end(),
      {{"--autotune", "", "",
        "choose how kernels are tiled by measuring candidates on this machine;\n"
        "results are kept in ~/.cache/stc for later"},
       {"--autotune-seconds", "", "N", "begin no measurement after N seconds of them (default 30)"},
       {"--report", "", "FILE.html",
        "measure the program beside its source, and beside dense recipes of the same bytes, and\n"
        "write a page that shows it: quality, bytes, losses of layers, speed, sample text"},
       {"--report-text", "", "TEXT",
        "the text that quality is measured on, or FILE.ids (default: what calibration leaves of\n"
        "the text that comes with stc); up to 32 windows of 256 tokens"},
       {"--dump-ir", "", "DIR", "write every phase's IR into DIR"},
       {"--verbose", "", "", "show what each pass decided, and why"},
       {"--quiet", "", "", "print errors only"}});
  return spec;
}

static CommandSpec inspectSpec() {
  return {"inspect",
          "OUT|MODEL",
          "show every weight: shape, pattern, bits, layout, and why",
          "",
          {{"--json", "", "", "one JSON object instead of a table"}},
          {"inspect books", "inspect examples/books --json"},
          1,
          1};
}

static absl::Status readStructureOptions(const Args &args, StructureOptions &options) {
  STC_ASSIGN_OR_RETURN(options.channels, args.number("--prune-channels", 0, 0, 0.99));
  STC_ASSIGN_OR_RETURN(options.groups, args.number("--prune-groups", 0, 0, 0.99));
  STC_ASSIGN_OR_RETURN(options.heads, args.number("--prune-heads", 0, 0, 0.99));
  STC_ASSIGN_OR_RETURN(options.experts, args.number("--prune-experts", 0, 0, 0.99));
  STC_ASSIGN_OR_RETURN(options.layers, args.integer("--prune-layers", 0, 0, 1 << 20));
  return absl::OkStatus();
}

static absl::Status readCalibrationOptions(const Args &args, CalibrationOptions &options) {
  options.text = args.text("--calibrate");
  options.repair = !args.has("--no-repair");
  STC_ASSIGN_OR_RETURN(options.sequences,
                       args.integer("--calibrate-sequences", options.sequences, 1, 1 << 20));
  STC_ASSIGN_OR_RETURN(options.length,
                       args.integer("--calibrate-length", options.length, 2, 1 << 16));
  STC_ASSIGN_OR_RETURN(options.sweeps, args.integer("--repair-sweeps", options.sweeps, 0, 100));
  options.ratios = args.text("--ratios", options.ratios);
  if (options.ratios != "uniform" && options.ratios != "owl")
    return args.error("--ratios", "uniform or owl", printable(options.ratios, 40));
  bool isElsewhere = args.has("--recipe") || args.has("--budget"); // which refuse it
  if (options.ratios == "owl" && !isElsewhere &&
      (options.text.empty() || args.text("--prune", "none") == "none"))
    return args.error("--ratios", "--prune and --calibrate beside owl",
                      options.text.empty() ? "no --calibrate" : "no --prune");
  for (const char *other :
       {"--calibrate-sequences", "--calibrate-length", "--no-repair", "--repair-sweeps"})
    if (args.has(other) && options.text.empty() && !args.has("--budget"))
      return formatError({"", other, {}}, "--calibrate or --budget beside it", "none");
  return absl::OkStatus();
}

/// Patterns, separated by commas that no braces enclose.
static std::vector<std::string> splitPatterns(const std::string &text) {
  std::vector<std::string> patterns(1);
  int depth = 0;
  for (char c : text) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (c == ',' && depth <= 0)
      patterns.emplace_back();
    else
      patterns.back() += c;
  }
  return patterns;
}

static absl::Status readExclude(const Args &args, std::vector<std::string> &patterns) {
  for (const std::string &text : args.texts("--exclude"))
    for (std::string &pattern : splitPatterns(text)) {
      if (pattern.empty())
        return args.error("--exclude", "patterns of weight names", "an empty one");
      patterns.push_back(std::move(pattern));
    }
  bool changes = false;
  for (const char *other :
       {"--prune", "--prune-channels", "--prune-groups", "--prune-heads", "--prune-experts",
        "--prune-layers", "--quantize", "--budget", "--recipe"})
    changes |= args.has(other);
  return patterns.empty() || changes
             ? absl::OkStatus()
             : args.error("--exclude", "something to prune or to quantize beside it", "nothing");
}

/// Whether the recipe leaves any weight in few bits.
static bool quantizes(const Recipe &recipe) {
  return recipe.headSpec() != "none" ||
         std::any_of(recipe.stages.begin(), recipe.stages.end(),
                     [](const RecipeStage &stage) { return stage.quantize != "none"; });
}

static absl::Status readBudget(const Args &args, CompileOptions &options) {
  options.budget = args.text("--budget");
  options.objective = args.text("--objective");
  if (options.budget.empty())
    return options.objective.empty()
               ? absl::OkStatus()
               : formatError({"", "--objective", {}}, "--budget beside it", "none");
  for (const char *other :
       {"--prune", "--prune-channels", "--prune-groups", "--prune-heads", "--prune-experts",
        "--prune-layers", "--quantize", "--recipe", "--ratios"})
    if (args.has(other))
      return formatError({"", "--budget", {}}, absl::StrCat("no ", other, " beside it"), "both");
  if (options.calibration.text.empty())
    options.calibration.text = "default";
  return parseBudget(options.budget, options.objective).status();
}

static absl::Status readRecipe(const Args &args, CompileOptions &options) {
  options.recipeFile = args.text("--recipe");
  if (options.recipeFile.empty())
    return absl::OkStatus();
  for (const char *other :
       {"--prune", "--quantize", "--calibrate", "--ratios", "--exclude", "--head", "--attention"})
    if (args.has(other))
      return formatError({"", "--recipe", {}}, absl::StrCat("no ", other, " beside it"), "both");
  STC_ASSIGN_OR_RETURN(options.recipe, Recipe::load(options.recipeFile));
  return absl::OkStatus();
}

/// Fills `options` from the shared compile options.
static absl::Status readCompileOptions(const Args &args, CompileOptions &options) {
  options.prune = args.text("--prune", "none");
  options.quantize = args.text("--quantize", "none");
  options.keepCodes = args.text("--quantize") != "none";
  options.head = args.text("--head", "auto");
  options.attention = args.text("--attention", "none");
  options.rotate = args.has("--rotate");
  STC_RETURN_IF_ERROR(readStructureOptions(args, options.structure));
  STC_RETURN_IF_ERROR(readCalibrationOptions(args, options.calibration));
  STC_RETURN_IF_ERROR(readExclude(args, options.exclude));
  STC_RETURN_IF_ERROR(readRecipe(args, options));
  STC_RETURN_IF_ERROR(readBudget(args, options));
  options.target = args.text("--target", "native");
  STC_ASSIGN_OR_RETURN(options.maxContext, args.integer("--max-context", 0, 1, int64_t(1) << 24));
  std::string cache = args.text("--kv-cache", "auto");
  // Without quantization logits are promised to be float64's to three digits, which f16 is not.
  if (cache == "auto")
    cache = options.quantize == "none" && options.budget.empty() &&
                    !(options.recipe && quantizes(*options.recipe))
                ? "f32"
                : "f16";
  STC_ASSIGN_OR_RETURN(options.kvCache, parseKVElement(cache));
  std::string text = args.text("--activations", "exact");
  std::optional<ActivationChoice> activations = parseActivations(text);
  if (!activations)
    return formatError({"", "--activations", {}}, "exact, rounded or per-token", printable(text));
  options.activations = *activations;
  STC_ASSIGN_OR_RETURN(options.threads, args.integer("--threads", 0, 1, 1024));
  return absl::OkStatus();
}

static absl::Status compileCommand(const Args &args, const std::vector<std::string> &words) {
  CompileOptions options;
  options.model = args.positional()[0];
  options.output = args.text("--output");
  STC_RETURN_IF_ERROR(readCompileOptions(args, options));
  STC_RETURN_IF_ERROR(parseEmit(args.text("--emit", "exe"), options));
  options.dumpDirectory = args.text("--dump-ir");
  options.autotune = args.has("--autotune");
  STC_ASSIGN_OR_RETURN(options.autotuneSeconds,
                       args.integer("--autotune-seconds", options.autotuneSeconds, 0, 1 << 20));
  if (args.has("--autotune-seconds") && !options.autotune)
    return formatError({"compile", "--autotune-seconds", {}}, "--autotune beside it", "none");
  options.report = args.text("--report");
  options.reportText = args.text("--report-text");
  options.commandLine = {"stc", "compile"};
  options.commandLine.insert(options.commandLine.end(), words.begin(), words.end());
  options.verbose = args.has("--verbose");
  options.quiet = args.has("--quiet");
  return compileModel(options);
}

static absl::Status inspectCommand(const Args &args) {
  STC_ASSIGN_OR_RETURN(auto records, inspectWeights(args.positional()[0]));
  STC_ASSIGN_OR_RETURN(std::string attention, inspectAttention(args.positional()[0]));
  return print(formatReport(records, attention, args.has("--json")));
}

/// `stc tokenize MODEL ...`: the model binary's command on a checkpoint's tokenizer.
static absl::StatusOr<int> tokenizeOnModel(std::vector<std::string> words) {
  if (words.empty())
    return formatError({"tokenize", "", {}}, "MODEL", "0 arguments");
  std::string model = words[0];
  if (model == "--help" || model == "-h") {
    STC_RETURN_IF_ERROR(
        print("usage: stc tokenize MODEL (--text TEXT | --text-file FILE) [--no-special]\n\n"
              "Prints one line of token ids. MODEL is a checkpoint, a tokenizer.json, a\n"
              "vocabulary-only .gguf or a compiled model.\n\n"
              "examples:\n  stc tokenize examples/books --text \"In the beginning\"\n"));
    return 0;
  }
  if (isModelBinary(model)) {
    words[0] = "tokenize";
    return execute(model, words);
  }
  STC_ASSIGN_OR_RETURN(auto tokenizer, loadTokenizer(model));
  if (!tokenizer)
    return formatError({model, "", {}}, "a checkpoint with a tokenizer", "none");
  words.erase(words.begin());
  STC_RETURN_IF_ERROR(tokenizeCommand(*tokenizer, words));
  return 0;
}

/// A checkpoint behind --reference is compiled into the cache too, as it is: without compression
/// and with a cache of f32.
static absl::Status compileReference(std::vector<std::string> &words,
                                     const CompileOptions &options) {
  constexpr absl::string_view name = "--reference", prefix = "--reference=";
  auto word = std::find_if(words.begin(), words.end(), [&](const std::string &given) {
    return given == name || absl::StartsWith(given, prefix);
  });
  if (word == words.end() || (*word == name && word + 1 == words.end()))
    return absl::OkStatus();
  std::string reference = *word == name ? *(word + 1) : word->substr(prefix.size());
  if (!llvm::sys::fs::is_directory(reference) && !absl::EndsWith(reference, ".gguf") &&
      !absl::EndsWith(reference, ".safetensors"))
    return absl::OkStatus();
  if (*word == name)
    words.erase(word + 1);
  CompileOptions plain;
  plain.model = reference;
  plain.target = options.target;
  plain.maxContext = options.maxContext;
  plain.threads = options.threads;
  plain.quiet = options.quiet;
  STC_ASSIGN_OR_RETURN(std::string executable, cachedExecutable(plain));
  *word = absl::StrCat(prefix, executable);
  return absl::OkStatus();
}

/// What the words of `stc run MODEL ...` are for: the compilation, and the program behind it.
struct ModelWords {
  std::string model;
  std::vector<std::string> compile, program;
};

static ModelWords partWords(absl::Span<const std::string> words, absl::Span<const Option> compile,
                            absl::Span<const Option> program) {
  ModelWords parts;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string name = words[i].substr(0, words[i].find('='));
    auto find = [&](absl::Span<const Option> options) {
      auto found = std::find_if(options.begin(), options.end(), [&](const Option &option) {
        return name == option.name || (!option.alias.empty() && name == option.alias);
      });
      return found == options.end() ? nullptr : &*found;
    };
    const Option *ofProgram = find(program), *option = ofProgram ? ofProgram : find(compile);
    if (!option && parts.model.empty() && words[i][0] != '-') {
      parts.model = words[i];
      continue;
    }
    std::vector<std::string> &part = option && !ofProgram ? parts.compile : parts.program;
    part.push_back(words[i]);
    if (option && name == words[i] && !option->value.empty() && i + 1 < words.size())
      part.push_back(words[++i]);
  }
  return parts;
}

/// The page of `stc run` and its like: the program's own, with what shapes a compilation below.
static std::string modelCommandPage(CommandSpec spec, absl::Span<const Option> compile) {
  spec.arguments = "MODEL";
  spec.details += absl::StrCat(spec.details.empty() ? "" : "\n\n",
                               "MODEL is a compiled model, or what `stc compile` takes: that is "
                               "compiled into a cache\nfirst, as the options from --prune on say.");
  if (spec.name == "eval")
    spec.details += " The model of --reference may be a checkpoint\ntoo: it is compiled without "
                    "compression.";
  spec.options.insert(spec.options.end(), compile.begin(), compile.end());
  for (std::string &example : spec.examples)
    example.insert(spec.name.size(), " MODEL");
  return helpPage("stc", spec);
}

/// `stc run|embed|classify|serve|logits|eval|bench|info MODEL ...`: compiles MODEL into the cache
/// unless it is compiled already, then becomes that program.
static absl::StatusOr<int> modelCommand(const CommandSpec &spec,
                                        const std::vector<std::string> &words) {
  std::vector<Option> known = compileOptions();
  known.erase(std::remove_if(known.begin(), known.end(),
                             [](const Option &option) { return option.name == "--threads"; }),
              known.end());
  ModelWords parts = partWords(words, known, spec.options);
  // What is wrong with the program's options is said now, and not after minutes of compilation.
  STC_ASSIGN_OR_RETURN(Args own, Args::parse(spec, parts.program));
  if (own.has("--help")) {
    STC_RETURN_IF_ERROR(print(modelCommandPage(spec, known)));
    return 0;
  }
  if (parts.model.empty())
    return formatError({spec.name, "", {}}, "MODEL", "0 arguments");
  CommandSpec compileSpec{spec.name, "", "", "", known, {}, 0, 0};
  STC_ASSIGN_OR_RETURN(Args args, Args::parse(compileSpec, parts.compile));
  CompileOptions options;
  options.quiet = true;
  options.model = parts.model;
  STC_RETURN_IF_ERROR(readCompileOptions(args, options));
  STC_ASSIGN_OR_RETURN(std::string executable, cachedExecutable(options));
  STC_RETURN_IF_ERROR(compileReference(parts.program, options));
  parts.program.insert(parts.program.begin(), spec.name);
  return execute(executable, parts.program);
}

static std::string overview() {
  CommandSpec compile = compileSpec(), inspect = inspectSpec();
  CommandSpec tokenize{"tokenize", "MODEL", "print a text's token ids", "", {}, {}, 1, 1};
  CommandSpec run{
      "run", "MODEL", "generate text (also: embed, classify, serve, logits, eval, bench, info)",
      "",    {},      {},
      1,     1};
  CommandSpec version{"version", "", "print the version", "", {}, {}, 0, 0};
  return helpOverview(
      "stc",
      "stc compiles a transformer checkpoint into one native program: it prunes and quantizes\n"
      "the weights, chooses a storage layout for each of them and generates the code.\n\n"
      "  stc compile examples/books -o books --prune 6:8 --quantize int8\n"
      "  ./books run -p \"It was a dark night\"\n",
      {&compile, &inspect, &run, &tokenize, &version});
}

static absl::StatusOr<int> dispatch(const std::vector<std::string> &words) {
  if (words.empty())
    return formatError({"stc", "", {}}, "a command (see stc --help)", "none");
  const std::string &command = words[0];
  std::vector<std::string> rest(words.begin() + 1, words.end());
  if (command == "--help" || command == "-h" || command == "help") {
    STC_RETURN_IF_ERROR(print(overview()));
    return 0;
  }
  if (command == "--version" || command == "version") {
    STC_RETURN_IF_ERROR(printLine(kVersion));
    return 0;
  }
  if (command == "compile")
    return runCommandLine("stc", compileSpec(), rest,
                          [&](const Args &args) { return compileCommand(args, rest); });
  if (command == "inspect")
    return runCommandLine("stc", inspectSpec(), rest, inspectCommand);
  if (command == "tokenize")
    return tokenizeOnModel(rest);
  for (const char *name : {"run", "embed", "classify", "serve", "logits", "eval", "bench", "info"})
    if (command == name)
      return modelCommand(*findCommand(name), rest);
  return formatError({"stc", "", {}},
                     "a command (compile, inspect, run, embed, classify, serve, logits, eval, "
                     "bench, info, tokenize)",
                     printable(command));
}

/// What LLVM cannot go on after.
static void endOnFatalError(void *, const char *reason, bool) {
  endWithError(absl::StrCat("LLVM: expected to go on, got ", printable(reason)));
}

int stc::driverMain(int argc, char **argv) {
  prepareProcess();
  llvm::install_fatal_error_handler(endOnFatalError);
  llvm::install_bad_alloc_error_handler(endOnFatalError);
  // Tensors come and go by the hundred: keep their pages instead of returning and faulting them in
  // again, which costs more than packing them.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  absl::StatusOr<int> result = dispatch(std::vector<std::string>(argv + 1, argv + argc));
  // LLVM would end a program whose messages nobody could read as one that failed.
  llvm::errs().clear_error();
  if (result.ok())
    return *result;
  std::fprintf(stderr, "error: %s\n", std::string(result.status().message()).c_str());
  return 1;
}
