#include "operator/agent_report.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace pannier {
namespace {

// As sidecar/http/admin_status.cc writes it.
constexpr std::string_view kStatus = R"({"version":"0.1.0","namespace":"shop",
 "pod":{"name":"a","uid":"uid-1"},"spoolId":"3f2b8c1e-0000-4000-8000-000000000001",
 "phase":"draining","startedAt":"2026-11-22T10:00:00.123Z",
 "policy":{"version":"pv","queues":1},"members":{"version":"mv","agents":2},"confirmed":7,
 "queues":[{"name":"orders","uid":"q1","generation":3,"durability":"Disk","paused":false,"ready":4,
   "unacked":2,"delayed":1,"bytes":99,"consumers":5,"oldestMessageTime":"2026-11-22T10:00:01.999Z",
   "counters":{"published":1,"lost":6}},
  {"name":"tmp","uid":"","generation":0,"durability":"Disk","paused":false,"ready":1,"unacked":0,
   "delayed":0,"bytes":1,"consumers":0}],
 "links":{"pull":[{"peer":"b","lag":8,"oldestAgeSeconds":61.5,"moved":3}],
          "push":[{"peer":"c","lag":0,"oldestAgeSeconds":0,"moved":0}]},
 "spool":{"bytes":10,"max":20,"live":5,"segments":1,"full":true,"corruptRecords":0},
 "certificates":[{"use":"localhost","expiresAt":"2026-11-23T10:00:00.000Z"},
                 {"use":"peer","expiresAt":"2026-11-24T10:00:00.000Z"}]})";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kStatus);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(AgentReport, IsReadFromWhatAgentsSay) {
  const auto report = parse_agent_report(kStatus);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->version, "0.1.0");
  EXPECT_EQ(report->pod_uid, "uid-1");
  EXPECT_EQ(report->spool_id, "3f2b8c1e-0000-4000-8000-000000000001");
  EXPECT_EQ(report->phase, "draining");
  EXPECT_EQ(report->policy_version, "pv");
  EXPECT_EQ(report->members_version, "mv");
  const ReportedQueue* const queue = report->find("q1");
  ASSERT_NE(queue, nullptr);
  EXPECT_EQ(queue->name, "orders");
  EXPECT_EQ(queue->generation, 3u);
  EXPECT_EQ(queue->ready, 4u);
  EXPECT_EQ(queue->unacked, 2u);
  EXPECT_EQ(queue->delayed, 1u);
  EXPECT_EQ(queue->bytes, 99u);
  EXPECT_EQ(queue->consumers, 5u);
  EXPECT_EQ(queue->lost, 6u);
  EXPECT_EQ(timestamp_text(*queue->oldest), "2026-11-22T10:00:01Z");
  EXPECT_EQ(report->find(""), nullptr) << "a client's queue is no MessageQueue's";
  EXPECT_EQ(report->find("q2"), nullptr);
  ASSERT_EQ(report->links.size(), 2u);
  EXPECT_EQ(report->links[0].peer, "b");
  EXPECT_FALSE(report->links[0].is_push);
  EXPECT_EQ(report->links[0].oldest_age_seconds, 61.5);
  EXPECT_TRUE(report->links[1].is_push);
  EXPECT_EQ(report->spool_bytes, 10u);
  EXPECT_EQ(report->spool_bytes_max, 20u);
  EXPECT_TRUE(report->is_spool_full);
  EXPECT_EQ(timestamp_text(*report->peer_certificate_expires), "2026-11-24T10:00:00Z");
}

TEST(AgentReport, ACountThatIsMissingOrNoneIsAnErrorAndNeverZero) {
  for (const char* const key : {"ready", "unacked", "delayed", "bytes", "generation"}) {
    const std::string field = "\"" + std::string(key) + "\":";
    EXPECT_FALSE(parse_agent_report(with(field, "\"x\":"))) << key;
    EXPECT_FALSE(parse_agent_report(with(field, field + "-"))) << key;
    EXPECT_FALSE(parse_agent_report(with(field, field + "0.5,\"y\":"))) << key;
  }
  EXPECT_FALSE(parse_agent_report(with("\"uid\":\"q1\"", "\"x\":\"q1\"")));
  EXPECT_FALSE(parse_agent_report(with("\"uid\":\"q1\"", "\"uid\":\"q 1\"")));
  EXPECT_FALSE(parse_agent_report(with("\"uid\":\"uid-1\"", "\"uid\":\"\"")));
  EXPECT_FALSE(parse_agent_report(with("\"queues\":[", "\"q\":[")));
}

TEST(AgentReport, IgnoresWhatItDoesNotKnowAndCutsNothingShortInto) {
  EXPECT_TRUE(parse_agent_report(with("\"confirmed\":7", "\"confirmed\":[{\"new\":null}]")));
  EXPECT_EQ(parse_agent_report(with("\"3f2b8c1e-", "\"x"))->spool_id, "");
  EXPECT_EQ(parse_agent_report(with("0.1.0", std::string(5'000, 'v')))->version, "");
  for (const char* const text : {"", "null", "[]", "7", "{\"pod\":7}", "{", "\xff"})
    EXPECT_EQ(parse_agent_report(text).error().code, Errc::bad_argument) << text;
}

TEST(AgentReport, AnyPrefixAndAnyChangedByteAreReadOrRefused) {
  for (std::size_t i = 0; i < kStatus.size(); ++i) {
    EXPECT_FALSE(parse_agent_report(kStatus.substr(0, i)));
    for (const char c : {'"', '0', '{', '}', '\xff', '-'}) {
      std::string text(kStatus);
      text[i] = c;
      (void)parse_agent_report(text);
    }
  }
}

TEST(AgentReports, AReportThatIsTooOldIsUnknown) {
  FakeClock clock;
  AgentReports reports(clock);
  EXPECT_FALSE(reports.find("uid-1"));
  reports.put(*parse_agent_report(kStatus));
  clock.advance(AgentReports::kFreshFor);
  EXPECT_TRUE(reports.find("uid-1"));
  clock.advance(std::chrono::milliseconds{1});
  EXPECT_FALSE(reports.find("uid-1"));
  reports.put(*parse_agent_report(kStatus));
  EXPECT_TRUE(reports.find("uid-1"));
  reports.forget("uid-1");
  EXPECT_FALSE(reports.find("uid-1"));
}

}  // namespace
}  // namespace pannier
