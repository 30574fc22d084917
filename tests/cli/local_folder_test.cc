#include "cli/local_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"

namespace pannier::cli {
namespace {

using testing::HasSubstr;

TEST(LocalFolder, AMessageQueueIsReadWithItsDefaults) {
  const auto queue = parse_queue_object(R"({"metadata": {"name": "orders", "namespace": "shop"}})");
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->queue_name, "orders");
  EXPECT_EQ(queue->durability, "Disk");
  EXPECT_EQ(queue->mode, "Peers");
  EXPECT_FALSE(queue->access);
  EXPECT_FALSE(queue->agents_desired);
  for (const char* text : {"", "[]", "{}", R"({"metadata": {"name": 3}})"})
    EXPECT_FALSE(parse_queue_object(text)) << text;
}

TEST(LocalFolder, AMessageQueueIsReadWithItsStatus) {
  const auto queue = parse_queue_object(R"({
    "metadata": {"name": "o", "generation": 2, "deletionTimestamp": "2026-11-22T10:00:00Z"},
    "spec": {"queueName": "shop/orders", "forward": {"mode": "Local"}, "access": [
      {"subjects": [{"kind": "User", "name": "ops"}], "verbs": ["Publish", "Manage"]}],
      "agents": {"selector": {"matchLabels": {"app": "shop"}}}},
    "status": {"agents": {"desired": 2, "upToDate": 1},
      "conditions": [{"type": "Ready", "status": "False", "reason": "NameTaken"}]}})");
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->queue_name, "shop/orders");
  EXPECT_TRUE(queue->is_ending);
  EXPECT_EQ(queue->selector.at("app"), "shop");
  EXPECT_EQ(queue->access->at(0).subjects, "User ops");
  EXPECT_EQ(queue->access->at(0).verbs, "Publish, Manage");
  EXPECT_EQ(queue->agents_up_to_date, 1u);
  EXPECT_EQ(queue->condition("Ready")->reason, "NameTaken");
  EXPECT_EQ(queue->condition("Durable"), nullptr);
}

TEST(LocalFolder, APodTellsItsAgentsProcess) {
  const auto pod = parse_pod_object(R"({
    "metadata": {"name": "a", "uid": "0123456789", "annotations": {"pannier.dev/injected": "x"}},
    "status": {"phase": "Running", "podIP": "127.0.0.2", "initContainerStatuses": [
      {"name": "other", "pid": 1}, {"name": "pannier-agent", "pid": 42}]}})");
  ASSERT_TRUE(pod);
  EXPECT_TRUE(pod->is_injected);
  EXPECT_EQ(pod->agent_pid, 42u);
  EXPECT_FALSE(parse_pod_object(R"({"metadata": {"name": "a"}, "status": 3})")->agent_pid);
}

TEST(LocalFolder, AnEventSaysWhatItIsAbout) {
  const auto event = parse_event(R"({"time": "2026-11-22T10:00:00Z", "type": "Warning",
    "kind": "MessageQueue", "namespace": "shop", "name": "orders", "reason": "R", "note": "n"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "orders");
  EXPECT_FALSE(parse_event("{\"time\": \"20"));
}

TEST(LocalFolder, ReadsWhatLiesThereAndNamesWhatItCannot) {
  char pattern[] = "/tmp/pannier-cli-XXXXXX";
  const std::string root = ::mkdtemp(pattern);
  const auto missing = LocalFolder::find(root);
  EXPECT_EQ(missing.error().code, Errc::bad_config);
  EXPECT_THAT(missing.error().detail, HasSubstr("pannier-operator local"));
  const std::string folder = root + "/.pannier/objects/MessageQueue/shop";
  ASSERT_TRUE(make_folders(folder, 0700));
  ASSERT_TRUE(write_file(folder + "/b.json", R"({"metadata": {"name": "b"}})", 0600));
  ASSERT_TRUE(write_file(folder + "/a.json", R"({"metadata": {"name": "a"}})", 0600));
  ASSERT_TRUE(write_file(folder + "/bad.json", "{", 0600));
  ASSERT_TRUE(write_file(folder + "/.draft.json", "{", 0600));
  auto found = LocalFolder::find(root);
  ASSERT_TRUE(found) << found.error().detail;
  const auto queues = found->queues();
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].name, "a");
  EXPECT_EQ(found->warnings.size(), 1u);
  EXPECT_TRUE(found->pods().empty());
  EXPECT_TRUE(found->events().empty());
  EXPECT_EQ(found->control_socket("0123456789"), root + "/.pannier/run/01234567.sock");
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace pannier::cli
