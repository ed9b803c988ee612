// Choosing a command, and what all commands share: errors, help, opening the model.
#include "stc/Runtime/Commands.h"

#include "stc/Runtime/Gpu/GpuProbe.h"
#include "stc/Runtime/Output.h"
#include "stc/Support/Process.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace stc {

namespace {

std::vector<Command> allCommands() {
  return {runCommand(),      embedCommand(), classifyCommand(), serveCommand(), logitsCommand(),
          tokenizeCommand(), evalCommand(),  benchCommand(),    infoCommand()};
}

std::string overview(const std::string &program) {
  static const CommandSpec help = {
      "help", "[COMMAND]", "Show this page, or the page of a command.", "", {}, {}, 0, 1};
  std::vector<const CommandSpec *> specs;
  for (const Command &command : allCommands())
    specs.push_back(command.spec);
  specs.push_back(&help);
  return helpOverview(program,
                      "A language model compiled into one program. Without a command, on a "
                      "terminal, a\ndecoder continues the lines you type.",
                      specs);
}

int report(const absl::Status &status) {
  if (status.ok())
    return EXIT_SUCCESS;
  std::string message(status.message());
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return EXIT_FAILURE;
}

absl::Status unknownCommand(const std::string &name) {
  std::vector<std::string> known = {"help"};
  for (const Command &command : allCommands())
    known.push_back(command.spec->name);
  std::string closest = closestWord(name, known);
  return formatError(
      {"", "command", {}},
      absl::StrCat("one that `help` lists",
                   closest.empty() ? "" : absl::StrCat(" (the closest is ", closest, ")")),
      name);
}

int showHelp(const std::string &program, absl::Span<const std::string> args) {
  if (args.empty() || args[0][0] == '-')
    return report(printLine(overview(program)));
  if (const CommandSpec *spec = findCommand(args[0]))
    return report(printLine(helpPage(program, *spec)));
  return report(unknownCommand(args[0]));
}

} // namespace

const CommandSpec *findCommand(absl::string_view name) {
  for (const Command &command : allCommands())
    if (command.spec->name == name)
      return command.spec;
  return nullptr;
}

int runCommandLine(const std::string &program, const CommandSpec &spec,
                   absl::Span<const std::string> args,
                   absl::FunctionRef<absl::Status(const Args &args)> execute) {
  absl::StatusOr<Args> parsed = Args::parse(spec, args);
  if (!parsed.ok())
    return report(parsed.status());
  if (parsed->has("--help"))
    return report(printLine(helpPage(program, spec)));
  return report(execute(*parsed));
}

int modelMain(const CommandContext &context, absl::Span<const std::string> args) {
  prepareProcess();
  std::vector<std::string> given(args.begin(), args.end());
  if (given.empty()) {
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
      std::fputs(overview(context.program).c_str(), stderr);
      return EXIT_FAILURE;
    }
    given.push_back("run");
  }
  std::string name = given.front();
  given.erase(given.begin());
  if (name == "help" || name == "--help" || name == "-h")
    return showHelp(context.program, given);
  for (const Command &command : allCommands())
    if (command.spec->name == name)
      return runCommandLine(context.program, *command.spec, given,
                            [&](const Args &parsed) { return command.execute(context, parsed); });
  return report(unknownCommand(name));
}

std::vector<Option> withModelOptions(std::vector<Option> own) {
  own.push_back(
      {"--threads", "", "N", "Threads to use (default: the processors this process may run on)."});
  own.push_back(
      {"--device", "", "WHERE",
       "cpu, cuda, hip or opencl (the first GPU of NVIDIA's, AMD's or OpenCL's that can), cuda:N,\n"
       "hip:N, opencl:N, or auto: a GPU if the model has code for it and it can run that, else "
       "the\n"
       "processors (default: environment variable STC_DEVICE, else auto)."});
  own.push_back({"--device-memory", "", "BYTES",
                 "How much memory of a GPU to take at most, in bytes (also 500M, 8G) or as a part\n"
                 "(50%). Weights that do not fit are read from this machine's memory (default:\n"
                 "environment variable STC_GPU_MEMORY, else what is free)."});
  own.push_back({"--no-verify", "", "",
                 "Do not compare checksums at start (also: environment variable STC_NO_VERIFY).\n"
                 "STC_TARGET=NAME runs the code of one target that `info` lists, not the best."});
  return own;
}

bool isVerifying(const Args &args) {
  const char *skip = std::getenv("STC_NO_VERIFY");
  bool skipped = skip && *skip && absl::string_view(skip) != "0";
  return !args.has("--no-verify") && !skipped;
}

absl::StatusOr<Model::Options> openOptions(const Args &args) {
  Model::Options options;
  STC_ASSIGN_OR_RETURN(int64_t threads, args.integer("--threads", 0, 1, ThreadPool::maxThreads));
  options.threads = int(threads);
  options.verify = isVerifying(args);
  options.progress = !args.has("--quiet") && !args.has("--json");
  if (args.has("--device")) {
    options.device = args.text("--device");
    if (!parseDeviceChoice(options.device))
      return args.error("--device", deviceChoices(), options.device);
  }
  if (args.has("--device-memory")) {
    options.deviceMemory = args.text("--device-memory");
    if (!parseMemoryLimit(options.deviceMemory))
      return args.error("--device-memory", kMemoryLimits, options.deviceMemory);
    if (options.device == "cpu")
      return args.error("--device-memory", "a GPU among the devices", "--device cpu");
  }
  return options;
}

/// What weights in this machine's memory mean for a GPU's speed.
static std::string describeStreaming(GpuModel &gpu) {
  const WeightPlacement &placement = gpu.placement();
  std::string text =
      absl::StrFormat("%.1f MB of weights do not fit into the memory of %s and are read from this "
                      "machine's",
                      double(placement.hostBytes) / 1e6, gpu.properties().label);
  absl::StatusOr<double> rate = measureHostBandwidth(gpu.device());
  if (rate.ok() && gpu.settings().kind != ModelKind::Encoder && placement.hostBytesPerToken > 0)
    absl::StrAppendFormat(&text, ": expect at most %.1f tokens/s",
                          *rate / placement.hostBytesPerToken);
  return text;
}

absl::StatusOr<std::unique_ptr<Model>> openModel(const CommandContext &context, const Args &args) {
  STC_ASSIGN_OR_RETURN(Model::Options options, openOptions(args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                       Model::open(context.code, context.bundlePath, options));
  // A GPU that is there and stays idle is worth a line; a machine without one is not.
  const absl::Status &refusal = model->gpuRefusal();
  if (options.progress && !refusal.ok() && !absl::IsNotFound(refusal))
    std::fprintf(stderr, "note: running on the processors: %s\n",
                 std::string(refusal.message()).c_str());
  if (options.progress && model->gpu() && model->gpu()->placement().hostBytes > 0)
    std::fprintf(stderr, "note: %s\n", describeStreaming(*model->gpu()).c_str());
  return model;
}

absl::StatusOr<std::vector<int32_t>> readTokenFile(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::string text, readFile(path));
  return parseTokenIds(text, path, "token ids");
}

} // namespace stc
