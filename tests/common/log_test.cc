#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/utf8.h"
#include "tests/support/fake_clock.h"

namespace pannier {
namespace {

using nlohmann::json;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    log::set_sink([this](std::string_view line) { lines_.emplace_back(line); });
  }
  ~LogTest() override {
    log::stop_thread();
    log::set_sink({});
    log::set_level(log::Level::info);
    log::set_component({});
  }

  // The one line written so far; nlohmann rejects both bad JSON and bad UTF-8.
  json only_line() const {
    EXPECT_EQ(lines_.size(), 1u);
    return json::parse(lines_.at(0));
  }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesOneLineOfJsonWithItsFieldsInOrder) {
  log::set_component("pannier-agent");
  log::warn("spool recovered", {{"segments", 3}, {"cut_bytes", 4096u}});
  ASSERT_EQ(lines_.size(), 1u);
  const std::regex shape(
      R"re(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"warn",)re"
      R"re("component":"pannier-agent","msg":"spool recovered","segments":3,"cut_bytes":4096\})re");
  EXPECT_TRUE(std::regex_match(lines_[0], shape)) << lines_[0];
}

TEST_F(LogTest, TakesEveryKindOfValue) {
  const std::string text = "a text";
  log::info("kinds", {{"yes", true},
                      {"small", std::int8_t{-5}},
                      {"least", std::numeric_limits<std::int64_t>::min()},
                      {"most", std::numeric_limits<std::uint64_t>::max()},
                      {"ratio", 0.25},
                      {"text", text},
                      {"view", std::string_view(text).substr(2)},
                      {"literal", "here"}});
  const json line = only_line();
  EXPECT_EQ(line["yes"], true);
  EXPECT_EQ(line["small"], -5);
  EXPECT_EQ(line["least"], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(line["most"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(line["ratio"], 0.25);
  EXPECT_EQ(line["text"], "a text");
  EXPECT_EQ(line["view"], "text");
  EXPECT_EQ(line["literal"], "here");
}

TEST_F(LogTest, WritesNullForANumberThatJsonDoesNotHave) {
  log::info("no number", {{"nan", std::numeric_limits<double>::quiet_NaN()},
                          {"inf", -std::numeric_limits<double>::infinity()}});
  EXPECT_TRUE(only_line()["nan"].is_null());
  EXPECT_TRUE(only_line()["inf"].is_null());
}

TEST_F(LogTest, StaysOneLineOfJsonWhateverBytesAFieldHolds) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  log::info("a \"message\"\n", {{"key\\\xff", every_byte}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].find('\n'), std::string::npos);
  EXPECT_TRUE(is_utf8(lines_[0]));
  const json line = only_line();
  EXPECT_EQ(line["msg"], "a \"message\"\n");
  const std::string value = line["key\\\uFFFD"];
  EXPECT_EQ(value.substr(0, 128), every_byte.substr(0, 128)) << "ASCII is kept as it is";
  EXPECT_EQ(value.substr(128, 3), "\uFFFD");
}

TEST_F(LogTest, KeepsWellFormedTextAndReplacesEachBrokenByte) {
  log::info("text", {{"good", "grüße 漢字 🧺"}, {"bad", "a\xc3(\xed\xa0\x80z"}});
  EXPECT_EQ(only_line()["good"], "grüße 漢字 🧺");
  EXPECT_EQ(only_line()["bad"], "a\uFFFD(\uFFFD\uFFFD\uFFFDz");
}

TEST_F(LogTest, CutsALongTextAtTheStartOfACharacter) {
  const std::string padding(log::kTextSizeMax - 1, 'x');
  log::info("long", {{"text", padding + "ü and more"}, {"fits", padding + "y"}});
  EXPECT_EQ(only_line()["text"], padding + "...");
  EXPECT_EQ(only_line()["fits"], padding + "y");
}

TEST_F(LogTest, RenamesAFieldThatWouldHideItsOwn) {
  log::error("clash", {{"level", "mine"}, {"msg", 1}});
  EXPECT_EQ(only_line()["level"], "error");
  EXPECT_EQ(only_line()["level_"], "mine");
  EXPECT_EQ(only_line()["msg_"], 1);
}

TEST_F(LogTest, FollowsItsLevelWhileItRuns) {
  log::debug("hidden");
  log::set_level(log::Level::debug);
  log::debug("shown");
  log::set_level(log::Level::error);
  log::warn("hidden");
  log::error("shown too");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(json::parse(lines_[0])["level"], "debug");
  EXPECT_EQ(json::parse(lines_[1])["msg"], "shown too");
}

TEST_F(LogTest, ReadsALevelByItsName) {
  ASSERT_TRUE(log::parse_level("warn"));
  EXPECT_EQ(*log::parse_level("warn"), log::Level::warn);
  EXPECT_EQ(log::parse_level("WARN").error().code, Errc::bad_config);
}

TEST_F(LogTest, SurvivesASinkThatThrows) {
  log::set_sink([](std::string_view) { throw std::runtime_error("full"); });
  testing::internal::CaptureStderr();
  log::info("lost");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "what is not JSON must not appear";
  log::set_sink([this](std::string_view line) { lines_.emplace_back(line); });
  log::info("written");
  EXPECT_EQ(only_line()["msg"], "written");
}

TEST_F(LogTest, WritesToStderrUnlessTold) {
  log::set_sink({});
  testing::internal::CaptureStderr();
  log::info("to people", {{"n", 1}});
  const std::string written = testing::internal::GetCapturedStderr();
  ASSERT_FALSE(written.empty());
  EXPECT_EQ(written.find('\n'), written.size() - 1);
  EXPECT_EQ(json::parse(written)["n"], 1);
}

TEST_F(LogTest, KeepsLinesWholeWhenManyThreadsWrite) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) log::info("from a thread", {{"thread", t}, {"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines_.size(), 800u);
  for (const std::string& line : lines_) EXPECT_TRUE(json::accept(line)) << line;
}

TEST_F(LogTest, WritesOnAThreadOfItsOwnAndLosesNothingWhenThatEnds) {
  std::thread::id writer;
  log::set_sink([this, &writer](std::string_view line) {
    writer = std::this_thread::get_id();
    lines_.emplace_back(line);
  });
  log::start_thread();
  const auto few = static_cast<int>(log::kLinesWaitingMax) / 2;
  for (int i = 0; i < few; ++i) log::info("waiting", {{"i", i}});
  log::stop_thread();
  ASSERT_EQ(lines_.size(), static_cast<std::size_t>(few));
  EXPECT_EQ(json::parse(lines_.back())["i"], few - 1);
  EXPECT_NE(writer, std::this_thread::get_id());

  log::info("by itself again");
  EXPECT_EQ(writer, std::this_thread::get_id());
}

TEST_F(LogTest, NeverWaitsForAReaderThatIsAsleepAndCountsWhatItLoses) {
  std::mutex asleep;
  log::set_sink([&](std::string_view line) {
    const std::lock_guard wait(asleep);
    lines_.emplace_back(line);
  });
  const std::uint64_t lost_before = log::lines_lost();
  constexpr std::size_t kWritten = 3 * log::kLinesWaitingMax;
  {
    const std::lock_guard sleep(asleep);
    log::start_thread();
    for (std::size_t i = 0; i < kWritten; ++i) log::info("much", {{"i", i}});
  }
  log::stop_thread();
  const std::uint64_t lost = log::lines_lost() - lost_before;
  EXPECT_GE(lost, kWritten - log::kLinesWaitingMax - 1);
  EXPECT_EQ(lines_.size() + lost, kWritten);
  EXPECT_EQ(json::parse(lines_.back())["i"], kWritten - 1) << "the newest line is kept";
}

TEST_F(LogTest, LimitsACallSiteAndSaysHowMuchItLeftOut) {
  FakeClock clock;
  log::RateLimit limit(2, clock);
  for (int i = 0; i < 5; ++i) log::warn(limit, "publish refused", {{"i", i}});
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_FALSE(json::parse(lines_[1]).contains("left_out"));

  clock.advance(std::chrono::milliseconds(999));
  log::warn(limit, "publish refused");
  EXPECT_EQ(lines_.size(), 2u);

  clock.advance(std::chrono::milliseconds(1));
  log::warn(limit, "publish refused");
  log::warn(limit, "publish refused");
  ASSERT_EQ(lines_.size(), 4u);
  EXPECT_EQ(json::parse(lines_[2])["left_out"], 4);
  EXPECT_FALSE(json::parse(lines_[3]).contains("left_out"));
}

TEST_F(LogTest, LimitsByTheSteadyClockAndNotByTheWall) {
  FakeClock clock;
  log::RateLimit limit(1, clock);
  log::info(limit, "one");
  clock.jump_wall(std::chrono::hours(1));
  log::info(limit, "two");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(LogTest, TakesNoTurnForALineBelowItsLevel) {
  FakeClock clock;
  log::RateLimit limit(1, clock);
  log::debug(limit, "hidden");
  log::info(limit, "shown");
  EXPECT_EQ(only_line()["msg"], "shown");
}

}  // namespace
}  // namespace pannier
