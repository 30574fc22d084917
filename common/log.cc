#include "common/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "common/json_text.h"

namespace pannier::log {
namespace {

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(Sink to) : to_(std::move(to)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    to_({line.payload.data(), line.payload.size()});
  }
  void flush_() override {}

  Sink to_;
};

using SinkPointer = std::shared_ptr<spdlog::sinks::sink>;

// Makes a new sink write lines as they are. Not later and not under a lock: setting the format
// waits for a line that is stuck in the sink.
SinkPointer lines_to(SinkPointer sink) {
  sink->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc));
  return sink;
}

// Everything that the log consists of. Made at first use and never destroyed, so that destructors
// of other statics may still log.
struct State {
  std::atomic<Level> level{Level::info};

  std::mutex mutex;  // guards what follows
  std::string component;
  SinkPointer sink;
  std::shared_ptr<spdlog::details::thread_pool> thread;
  std::shared_ptr<spdlog::logger> logger;
  std::uint64_t lines_lost = 0;  // by threads that have ended

  State() : sink(lines_to(std::make_shared<spdlog::sinks::stderr_sink_mt>())) { make_logger(); }

  void make_logger() {
    if (thread) {
      logger = std::make_shared<spdlog::async_logger>(
          "pannier", sink, thread, spdlog::async_overflow_policy::overrun_oldest);
    } else {
      logger = std::make_shared<spdlog::logger>("pannier", sink);
    }
    logger->set_level(spdlog::level::trace);
    logger->set_error_handler([](const std::string&) {});  // its own would write more than JSON
  }
};

State& state() {
  static State& instance = *new State;
  return instance;
}

bool is_reserved(std::string_view key) {
  return key == "time" || key == "level" || key == "component" || key == "msg";
}

void append_text(std::string& line, std::string_view text) {
  const std::size_t size_max = kTextSizeMax;
  std::size_t size = text.size();
  if (size > size_max) {
    size = size_max;
    // Step back to the start of a character, so that the cut does not make half of one.
    for (int i = 0; i < 3 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80; ++i) --size;
  }
  line += '"';
  append_json_escaped(line, text.substr(0, size));
  if (size < text.size()) line += "...";
  line += '"';
}

template <typename T>
void append_number(std::string& line, T number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  line.append(digits.data(), end);
}

struct AppendValue {
  std::string& line;
  void operator()(bool value) const { line += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { append_number(line, value); }
  void operator()(std::uint64_t value) const { append_number(line, value); }
  void operator()(double value) const {
    if (std::isfinite(value)) return append_number(line, value);
    line += "null";  // JSON has no word for it
  }
  void operator()(std::string_view value) const { append_text(line, value); }
};

void append_field(std::string& line, const Field& field) {
  line += ",\"";
  append_json_escaped(line, field.key.substr(0, kTextSizeMax));
  if (is_reserved(field.key)) line += '_';
  line += "\":";
  std::visit(AppendValue{line}, field.value.held());
}

std::string line_of(Level level, std::string_view component, std::string_view message,
                    Fields fields, std::uint64_t left_out) {
  std::string line;
  line.reserve(256);
  line += R"({"time":")";
  line += rfc3339(system_clock().now_ms());
  line += R"(","level":")";
  line += name_of(level);
  line += '"';
  if (!component.empty()) {
    line += R"(,"component":)";
    append_text(line, component);
  }
  line += R"(,"msg":)";
  append_text(line, message);
  for (const Field& field : fields) append_field(line, field);
  if (left_out > 0) append_field(line, {"left_out", left_out});
  line += '}';
  return line;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

void write(Level level, std::string_view message, Fields fields, std::uint64_t left_out) noexcept {
  try {
    State& log = state();
    std::shared_ptr<spdlog::logger> logger;
    std::string component;
    {
      const std::lock_guard lock(log.mutex);
      logger = log.logger;
      component = log.component;
    }
    const std::string line = line_of(level, component, message, fields, left_out);
    logger->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {
    // Out of memory, or a sink that threw: the line is lost, the program goes on.
  }
}

void write_limited(Level level, RateLimit& limit, std::string_view message,
                   Fields fields) noexcept {
  std::uint64_t left_out = 0;
  if (enabled(level) && limit.admit(left_out)) write(level, message, fields, left_out);
}

void write_enabled(Level level, std::string_view message, Fields fields) noexcept {
  if (enabled(level)) write(level, message, fields, 0);
}

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  std::abort();
}

Result<Level> parse_level(std::string_view text) {
  for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
    if (text == name_of(level)) return level;
  }
  return Error{Errc::bad_config,
               "log level '" + std::string(text) + "': use debug, info, warn or error"};
}

RateLimit::RateLimit(std::uint32_t lines_per_second, const Clock& clock)
    : lines_per_second_(lines_per_second), clock_(clock) {}

bool RateLimit::admit(std::uint64_t& left_out) noexcept {
  const Clock::time_point now = clock_.now();
  const std::lock_guard lock(mutex_);
  if (now - second_began_ >= std::chrono::seconds(1)) {
    second_began_ = now;
    lines_ = 0;
  }
  if (lines_ >= lines_per_second_) {
    ++left_out_;
    return false;
  }
  ++lines_;
  left_out = std::exchange(left_out_, 0);
  return true;
}

void debug(std::string_view m, Fields f) noexcept { write_enabled(Level::debug, m, f); }
void info(std::string_view m, Fields f) noexcept { write_enabled(Level::info, m, f); }
void warn(std::string_view m, Fields f) noexcept { write_enabled(Level::warn, m, f); }
void error(std::string_view m, Fields f) noexcept { write_enabled(Level::error, m, f); }

void debug(RateLimit& limit, std::string_view message, Fields fields) noexcept {
  write_limited(Level::debug, limit, message, fields);
}
void info(RateLimit& limit, std::string_view message, Fields fields) noexcept {
  write_limited(Level::info, limit, message, fields);
}
void warn(RateLimit& limit, std::string_view message, Fields fields) noexcept {
  write_limited(Level::warn, limit, message, fields);
}
void error(RateLimit& limit, std::string_view message, Fields fields) noexcept {
  write_limited(Level::error, limit, message, fields);
}

void set_level(Level level) noexcept { state().level = level; }
bool enabled(Level level) noexcept {
  return level >= state().level.load(std::memory_order_relaxed);
}

void set_component(std::string_view name) {
  State& log = state();
  const std::lock_guard lock(log.mutex);
  log.component = name;
}

void set_sink(Sink sink) {
  SinkPointer to;
  if (sink) {
    to = std::make_shared<FunctionSink>(std::move(sink));
  } else {
    to = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  to = lines_to(std::move(to));
  State& log = state();
  const std::lock_guard lock(log.mutex);
  log.sink = std::move(to);
  log.make_logger();
}

void start_thread() {
  State& log = state();
  const std::lock_guard lock(log.mutex);
  if (log.thread) return;
  log.thread = std::make_shared<spdlog::details::thread_pool>(kLinesWaitingMax, 1);
  log.make_logger();
}

void stop_thread() {
  State& log = state();
  std::shared_ptr<spdlog::details::thread_pool> ending;
  {
    const std::lock_guard lock(log.mutex);
    if (!log.thread) return;
    log.lines_lost += log.thread->overrun_counter();
    ending = std::move(log.thread);
    log.make_logger();
  }
  ending.reset();  // writes what waits, then joins; others may log meanwhile
}

std::uint64_t lines_lost() {
  State& log = state();
  const std::lock_guard lock(log.mutex);
  return log.lines_lost + (log.thread ? log.thread->overrun_counter() : 0);
}

}  // namespace pannier::log
