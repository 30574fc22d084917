// pannier-operator: flags, signals, and where what it says goes.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <mutex>

#include <CLI/CLI.hpp>

#include "common/log.h"
#include "common/quantity.h"
#include "common/signal_thread.h"
#include "operator/local/local_operator.h"
#include "operator/local/places.h"

namespace pannier {
namespace {

constexpr int kExitConfig = 78;  // EX_CONFIG
constexpr const char* kVersion = PANNIER_VERSION;
constexpr long kLogBytesMax = 8l << 20;  // then the file becomes operator.log.1

int fail(const Error& error) {
  std::fprintf(stderr, "pannier-operator: %s\n", error.detail.c_str());
  const bool is_config = error.code == Errc::bad_config || error.code == Errc::spool_locked;
  return is_config ? kExitConfig : 1;
}

// The JSON log, for those who look for a fault; people are told what they need on the terminal.
class LogFile {
 public:
  explicit LogFile(std::string path) : path_(std::move(path)) {
    open();
    log::set_sink([this](std::string_view line) { write(line); });
  }
  ~LogFile() {
    log::set_sink({});
    if (file_ != nullptr) std::fclose(file_);
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

 private:
  void open() {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    file_ = file < 0 ? nullptr : ::fdopen(file, "a");
    if (file_ != nullptr)
      std::fseek(file_, 0, SEEK_END);
    else if (file >= 0)
      ::close(file);
  }
  void write(std::string_view line) {
    const std::lock_guard lock(mutex_);
    if (file_ == nullptr) open();  // the last time there was no room for it
    if (file_ == nullptr) return;
    std::fwrite(line.data(), 1, line.size(), file_);
    std::fputc('\n', file_);
    std::fflush(file_);
    if (std::ftell(file_) < kLogBytesMax) return;
    std::fclose(file_);
    std::rename(path_.c_str(), (path_ + ".1").c_str());
    open();
  }

  const std::string path_;
  std::mutex mutex_;
  std::FILE* file_ = nullptr;
};

struct LocalFlags {
  std::string folder, agent;
  std::string ca_validity, leaf_validity, ca_announce, ca_retire;
  bool down = false, rotate_ca = false;
};

Result<void> read_period(const char* flag, const std::string& text, std::chrono::seconds& into) {
  if (text.empty()) return {};
  const auto period = parse_duration(text);
  if (!period) return Error{Errc::bad_config, std::string(flag) + ": " + period.error().detail};
  if (*period < std::chrono::seconds{1})
    return Error{Errc::bad_config, std::string(flag) + ": expected one second or more, found " +
                                       quoted_for_people(text) + ": use a longer one"};
  into = std::chrono::floor<std::chrono::seconds>(*period);
  return {};
}

void say(bool is_problem, const std::string& text) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::FILE* const to = is_problem ? stderr : stdout;
  std::fprintf(to, "%s%s\n", is_problem ? "problem: " : "", text.c_str());
  std::fflush(to);
}

Result<local::LocalOptions> options_of(const LocalFlags& flags) {
  local::LocalOptions options;
  options.folder = flags.folder;
  options.agent_program = flags.agent;
  options.rotate_ca = flags.rotate_ca;
  options.say = say;
  // Agents read their files each second, and no step is taken before all of them have.
  options.ca.announce = options.ca.retire = std::chrono::seconds{10};
  for (const auto& [flag, text, into] :
       {std::tuple{"--ca-validity", &flags.ca_validity, &options.ca.validity},
        std::tuple{"--leaf-validity", &flags.leaf_validity, &options.ca.leaf_validity},
        std::tuple{"--ca-announce", &flags.ca_announce, &options.ca.announce},
        std::tuple{"--ca-retire", &flags.ca_retire, &options.ca.retire}})
    if (auto read = read_period(flag, *text, *into); !read) return read.error();
  return options;
}

int run_local(const LocalFlags& flags) {
  auto options = options_of(flags);
  if (!options) return fail(options.error());
  SignalThread signals;  // before any other thread, so that none of them takes one
  log::set_component("pannier-operator");
  auto local = local::LocalOperator::open(std::move(*options));
  if (!local) return fail(local.error());
  const LogFile log_file((*local)->log_path());
  signals.follow([&local = **local](int) { local.stop(); });
  const auto done = flags.down ? (*local)->down() : (*local)->run();
  signals.stop();
  local->reset();
  return done ? 0 : fail(done.error());
}

int main_of(int argc, char** argv) {
  CLI::App app("Pannier's operator: a message queue in every pod.", "pannier-operator");
  app.set_version_flag("--version", std::string("pannier-operator ") + kVersion);
  LocalFlags flags;
  CLI::App* local = app.add_subcommand(
      "local", "Run the manifests in a folder as processes on this machine; no cluster");
  local->add_option("DIR", flags.folder, "The folder of the manifests")->required();
  local->add_flag("--down", flags.down, "End all its pods; the manifests stay");
  local->add_option("--agent", flags.agent, "The program pannier-agent");
  local->add_option("--leaf-validity", flags.leaf_validity, "Of agents' certificates (24h)");
  local->add_option("--ca-validity", flags.ca_validity, "Of a CA (8760h)");
  local->add_option("--ca-announce", flags.ca_announce,
                    "How long a new CA is trusted before it signs, at least (10s)");
  local->add_option("--ca-retire", flags.ca_retire,
                    "How long the old CA is trusted afterwards, at least (10s)");
  local->add_flag("--rotate-ca", flags.rotate_ca, "Begin a rotation of the CA now");
  CLI11_PARSE(app, argc, argv);
  if (local->parsed()) return run_local(flags);
  std::fputs(app.help().c_str(), stderr);
  return kExitConfig;
}

}  // namespace
}  // namespace pannier

int main(int argc, char** argv) { return pannier::main_of(argc, argv); }
