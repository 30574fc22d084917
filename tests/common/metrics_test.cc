#include "common/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/utf8.h"

namespace pannier {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> lines_of(const Metrics& metrics) { return lines_of(metrics.text()); }

TEST(Counter, Adds) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.value(), 42u);
}

TEST(Gauge, MayGoUpAndDown) {
  Gauge gauge;
  gauge.set(5);
  gauge.add(-7);
  EXPECT_EQ(gauge.value(), -2);
}

TEST(Histogram, CountsAValueUnderTheSmallestBoundNotBelowIt) {
  static constexpr double kBounds[] = {1, 2, 4};
  Histogram histogram(kBounds);
  histogram.observe(0.5);
  histogram.observe(1.0);
  histogram.observe(1.5, 10);
  histogram.observe(100.0);
  EXPECT_EQ(histogram.count_in(0), 2u);
  EXPECT_EQ(histogram.count_in(1), 10u);
  EXPECT_EQ(histogram.count_in(2), 0u);
  EXPECT_EQ(histogram.count_in(3), 1u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 0.5 + 1.0 + 15.0 + 100.0);
}

TEST(Histogram, TakesTimesInSeconds) {
  static constexpr double kBounds[] = {0.001, 1};
  Histogram histogram(kBounds);
  histogram.observe(std::chrono::milliseconds(20));
  EXPECT_EQ(histogram.count_in(1), 1u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 0.02);
}

TEST(Metrics, ShowsTheNumbersOfEachQueue) {
  Metrics metrics("1.2.3", "abc");
  metrics.set_queue_source([](const Metrics::ShowQueue& show) {
    show("orders", {.messages_ready = 12,
                    .bytes = 12'345'678,
                    .oldest_message_age_seconds = 1.5,
                    .published = 100,
                    .acked = 88});
    show("bills", {.messages_unacked = 3, .redelivered = 2});
  });
  const auto lines = lines_of(metrics);
  EXPECT_THAT(lines, Contains("pannier_queue_messages_ready{queue=\"orders\"} 12"));
  EXPECT_THAT(lines, Contains("pannier_queue_messages_ready{queue=\"bills\"} 0"));
  EXPECT_THAT(lines, Contains("pannier_queue_messages_unacked{queue=\"bills\"} 3"));
  EXPECT_THAT(lines, Contains("pannier_queue_bytes{queue=\"orders\"} 12345678"));
  EXPECT_THAT(lines, Contains("pannier_queue_oldest_message_age_seconds{queue=\"orders\"} 1.5"));
  EXPECT_THAT(lines, Contains("pannier_messages_published_total{queue=\"orders\"} 100"));
  EXPECT_THAT(lines, Contains("pannier_messages_acked_total{queue=\"orders\"} 88"));
  EXPECT_THAT(lines, Contains("pannier_messages_redelivered_total{queue=\"bills\"} 2"));
}

TEST(Metrics, CountsDeathsByTheirReason) {
  Metrics metrics("1.2.3", "abc");
  metrics.set_queue_source([](const Metrics::ShowQueue& show) {
    show("orders",
         {.expired = 1, .dead_lettered = 10, .dropped = 2, .rejected = 3, .delivery_limit = 4});
  });
  const auto lines = lines_of(metrics);
  const std::string died = "pannier_messages_died_total{queue=\"orders\",reason=";
  EXPECT_THAT(lines, Contains(died + "\"expired\"} 1"));
  EXPECT_THAT(lines, Contains(died + "\"maxlen\"} 2"));
  EXPECT_THAT(lines, Contains(died + "\"rejected\"} 3"));
  EXPECT_THAT(lines, Contains(died + "\"delivery_limit\"} 4"));
  EXPECT_THAT(lines, Contains("pannier_messages_dead_lettered_total{queue=\"orders\"} 10"));
}

TEST(Metrics, ShowsWhichKeysTheSpoolNeeds) {
  Metrics metrics("1.2.3", "abc");
  metrics.spool_keys = {0, 7};
  metrics.spool_keys_unusable.set(1);
  EXPECT_THAT(lines_of(metrics), Contains("pannier_spool_key_in_use{key=\"0\"} 1"));
  EXPECT_THAT(lines_of(metrics), Contains("pannier_spool_key_in_use{key=\"7\"} 1"));
  EXPECT_THAT(lines_of(metrics), Contains("pannier_spool_keys_unusable 1"));
  metrics.spool_keys = {7};
  EXPECT_THAT(metrics.text(), Not(HasSubstr("key=\"0\"")));
}

TEST(Metrics, ForgetsTheSeriesOfAQueueThatHasGone) {
  Metrics metrics("1.2.3", "abc");
  std::set<std::string> queues{"orders", "bills"};
  metrics.set_queue_source([&queues](const Metrics::ShowQueue& show) {
    for (const std::string& queue : queues) show(queue, {.messages_ready = 1});
  });
  EXPECT_THAT(metrics.text(), HasSubstr("queue=\"bills\""));
  queues.erase("bills");
  EXPECT_THAT(metrics.text(), Not(HasSubstr("queue=\"bills\"")));
  EXPECT_THAT(metrics.text(), HasSubstr("queue=\"orders\""));
}

TEST(Metrics, AsksNobodyWhoTookHisSourceAway) {
  Metrics metrics("1.2.3", "abc");
  int asked = 0;
  metrics.set_queue_source([&asked](const Metrics::ShowQueue&) { ++asked; });
  metrics.text();
  metrics.set_queue_source({});
  metrics.text();
  EXPECT_EQ(asked, 1);
}

TEST(Metrics, ShowsQueueNamesOfAnyBytesAsUtf8) {
  Metrics metrics("1.2.3", "abc");
  metrics.set_queue_source([](const Metrics::ShowQueue& show) {
    show("a\"b\\c\nd", {.messages_ready = 1});
    show("grün\xff", {.messages_ready = 2});
  });
  const std::string text = metrics.text();
  EXPECT_TRUE(is_utf8(text));
  EXPECT_THAT(lines_of(text), Contains(R"(pannier_queue_messages_ready{queue="a\"b\\c\nd"} 1)"));
  EXPECT_THAT(lines_of(text), Contains(R"(pannier_queue_messages_ready{queue="grün\\xff"} 2)"));
}

TEST(Metrics, ShowsALatencyAsACumulativeHistogram) {
  Metrics metrics("1.2.3", "abc");
  metrics.publish_to_confirm_seconds.observe(std::chrono::microseconds(900), 5);
  metrics.publish_to_confirm_seconds.observe(std::chrono::seconds(60));
  const auto lines = lines_of(metrics);
  const std::string bucket = "pannier_publish_to_confirm_seconds_bucket";
  EXPECT_THAT(lines, Contains(bucket + "{le=\"0.0005\"} 0"));
  EXPECT_THAT(lines, Contains(bucket + "{le=\"0.001\"} 5"));
  EXPECT_THAT(lines, Contains(bucket + "{le=\"10\"} 5"));
  EXPECT_THAT(lines, Contains(bucket + "{le=\"+Inf\"} 6"));
  EXPECT_THAT(lines, Contains("pannier_publish_to_confirm_seconds_count 6"));
  EXPECT_THAT(lines, Contains("pannier_publish_to_confirm_seconds_sum 60.0045"));
}

TEST(Metrics, ShowsTheAgentItself) {
  Metrics metrics("1.2.3", "abc");
  metrics.spool_bytes_live.set(10);
  metrics.spool_bytes_disk.set(20);
  metrics.spool_bytes_limit.set(30);
  metrics.spool_corrupt_records.add(2);
  metrics.connections_amqp.add(4);
  metrics.connections_http.add(1);
  metrics.count_refused_connection("connections");
  metrics.count_refused_connection("connections");
  metrics.set_certificate_expiry("peer", 1'800'000'000);
  const auto lines = lines_of(metrics);
  EXPECT_THAT(lines, Contains("pannier_spool_bytes{kind=\"live\"} 10"));
  EXPECT_THAT(lines, Contains("pannier_spool_bytes{kind=\"disk\"} 20"));
  EXPECT_THAT(lines, Contains("pannier_spool_bytes{kind=\"limit\"} 30"));
  EXPECT_THAT(lines, Contains("pannier_spool_corrupt_records_total 2"));
  EXPECT_THAT(lines, Contains("pannier_connections{protocol=\"amqp\"} 4"));
  EXPECT_THAT(lines, Contains("pannier_connections{protocol=\"http\"} 1"));
  EXPECT_THAT(lines, Contains("pannier_connections_refused_total{limit=\"connections\"} 2"));
  EXPECT_THAT(lines, Contains("pannier_certificate_expiry_timestamp_seconds{use=\"peer\"} "
                              "1800000000"));
  EXPECT_THAT(lines, Contains("pannier_build_info{revision=\"abc\",version=\"1.2.3\"} 1"));
}

TEST(Metrics, ShowsEachLinkByPeerAndDirection) {
  Metrics metrics("1.2.3", "abc");
  metrics.set_link_source([](const Metrics::ShowLink& show) {
    show("shop-1", "pull", {.lag_messages = 7, .oldest_age_seconds = 2.5, .moved = 9});
  });
  const auto lines = lines_of(metrics);
  const std::string labels = "{peer=\"shop-1\",direction=\"pull\"} ";
  EXPECT_THAT(lines, Contains("pannier_link_lag_messages" + labels + "7"));
  EXPECT_THAT(lines, Contains("pannier_link_oldest_age_seconds" + labels + "2.5"));
  EXPECT_THAT(lines, Contains("pannier_link_messages_total" + labels + "9"));
}

// What the text format asks of us: each family once, under one HELP and TYPE, named by the rules.
TEST(Metrics, KeepsTheRulesOfPrometheus) {
  Metrics metrics("1.2.3", "abc");
  metrics.set_queue_source([](const Metrics::ShowQueue& show) { show("q", {}); });
  metrics.set_link_source([](const Metrics::ShowLink& show) { show("p", "push", {}); });
  metrics.count_refused_connection("connections");
  metrics.set_certificate_expiry("peer", 1);

  std::map<std::string, std::string> types;
  std::set<std::string> helps, series;
  const std::regex help("# HELP (pannier_[a-z_]+) [A-Z].*\\.");
  const std::regex type("# TYPE ([a-z_]+) (counter|gauge|histogram)");
  const std::regex sample("([a-z_]+)((?:\\{[^ ]*\\})?) [-+.0-9e]+");
  std::smatch match;
  for (const std::string& line : lines_of(metrics)) {
    if (std::regex_match(line, match, help)) {
      EXPECT_TRUE(helps.insert(match[1]).second) << line;
    } else if (std::regex_match(line, match, type)) {
      EXPECT_TRUE(types.emplace(match[1], match[2]).second) << line;
      EXPECT_EQ(std::string(match[1]).ends_with("_total"), match[2] == "counter") << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_TRUE(series.insert(std::string(match[1]) + std::string(match[2])).second) << line;
      const std::string name =
          std::regex_replace(std::string(match[1]), std::regex("_(bucket|sum|count)$"), "");
      EXPECT_TRUE(types.contains(name)) << line;
    }
  }
  EXPECT_EQ(types.size(), helps.size());
  EXPECT_GE(types.size(), 25u);
}

}  // namespace
}  // namespace pannier
