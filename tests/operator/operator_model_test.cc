// Random edits, deletions, reports and restarts: what must hold in every state.
#include <gtest/gtest.h>

#include "common/random.h"
#include "tests/operator/world.h"

namespace pannier {
namespace {

constexpr int kSteps = 400;

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    // The one way in which a queue's object may go while it is held: everything that was waited
    // for is there, by what agents really hold.
    world_.api.on_finalizers = [this](const kube::Key& key) { check_let_go(key); };
    for (int i = 0; i < 3; ++i) add_pod();
  }

  void step() {
    switch (random_.below(14)) {
      case 0: return add_queue();
      case 1: return edit_queue();
      case 2: return delete_queue();
      case 3:
        if (random_.below(3) == 0) return discard();
        return;
      case 4: return world_.agents.size() < 5 ? add_pod() : drop_pod();
      case 5: return relabel();
      case 6: return fill();
      case 7: return drain_messages();
      case 8: world_.clock.advance(std::chrono::seconds{random_.below(20)}); return;
      case 9:
        if (random_.below(4) == 0) restart();
        return;
      case 10: world_.render(); return check_documents();
      case 11:
        if (random_.below(3) == 0) world_.api.fail_next(1, Errc::precondition);
        [[fallthrough]];
      case 12: return look();
      default: return reconcile();
    }
  }

  unsigned let_go() const { return let_go_; }

 private:
  std::string queue() { return "q" + std::to_string(random_.below(4)); }
  const std::string* pod() {
    if (world_.agents.empty()) return nullptr;
    return &std::next(world_.agents.begin(), static_cast<long>(random_.below(world_.agents.size())))
                ->first;
  }
  void add_pod() {
    world_.add_pod("pod" + std::to_string(++pods_), "default", random_.below(2) == 0 ? "x" : "y");
  }
  void drop_pod() {
    const std::string name = *pod();
    world_.remove_pod(name);
  }
  kube::Json spec() {
    kube::Json made = {{"paused", random_.below(2) == 0}};
    if (random_.below(3) == 0) made["deletionPolicy"] = "Delete";
    if (random_.below(2) == 0)
      made["agents"]["selector"]["matchLabels"]["app"] = random_.below(2) == 0 ? "x" : "y";
    return made;
  }
  void add_queue() {
    const std::string name = queue();
    if (world_.exists(name)) return;
    kube::Json made = spec();
    made["queueName"] = "name" + std::to_string(random_.below(3));
    world_.add_queue(name, made);
  }
  void edit_queue() {
    const std::string name = queue();
    if (!world_.exists(name)) return;
    world_.api.change(World::queue_key(name), [&](kube::Json& json) {
      const kube::Json kept = json["spec"]["queueName"];
      json["spec"] = spec();
      json["spec"]["queueName"] = kept;
    });
  }
  void delete_queue() {
    const std::string name = queue();
    if (world_.exists(name)) (void)world_.api.remove(World::queue_key(name), {});
  }
  void discard() {
    const std::string name = queue();
    if (world_.exists(name)) world_.annotate(name, "pannier.dev/discard", world_.uid(name));
  }
  void relabel() {
    if (const std::string* const name = pod())
      world_.api.change(World::pod_key(*name), [&](kube::Json& json) {
        json["metadata"]["labels"]["app"] = random_.below(2) == 0 ? "x" : "y";
      });
  }
  // An agent takes publishes for what its last document lets it serve.
  void fill() {
    const std::string* const name = pod();
    if (name == nullptr) return;
    for (auto& [uid, held] : world_.agents.at(*name).queues)
      if (!held.parked && !ending_[*name].contains(uid)) held.ready += random_.below(3);
  }
  void drain_messages() {
    if (const std::string* const name = pod())
      for (auto& [uid, held] : world_.agents.at(*name).queues)
        if (random_.below(2) == 0) held.ready = 0;
  }
  void look() {
    const std::string* const name = pod();
    if (name == nullptr) return;
    world_.look(*name);
    if (!world_.board.find(world_.agents.at(*name).pod_uid)) return;  // it keeps what it has
    ending_[*name].clear();
    for (const PolicyQueue& each : world_.policy(*name).queues)
      if (each.ending) ending_[*name].insert(each.uid);
  }
  void reconcile() {
    const auto done = world_.reconcile(queue());
    EXPECT_TRUE(done || done.error().code == Errc::precondition);
  }
  void restart() {
    for (const auto& [name, agent] : world_.agents) world_.reports.forget(agent.pod_uid);
    world_.board.keep_only(kShop, {});
  }

  void check_documents() {
    std::set<std::string> discarding;
    for (const kube::Object& object : world_.cache.list("MessageQueue"))
      if (is_discarding(object.status())) discarding.insert(object.metadata().uid);
    for (const auto& [name, agent] : world_.agents) {
      const auto documents = world_.board.find(agent.pod_uid);
      ASSERT_TRUE(documents);
      const auto policy = parse_policy(documents->policy, "policy", UnknownKeys::refuse);
      ASSERT_TRUE(policy) << policy.error().detail;
      const auto members = parse_members(documents->members, "members", UnknownKeys::refuse);
      ASSERT_TRUE(members) << members.error().detail;
      for (const std::string& uid : policy->tombstones) {
        EXPECT_TRUE(discarding.contains(uid));
        for (const PolicyQueue& each : policy->queues) EXPECT_NE(each.uid, uid);
      }
    }
  }

  void check_let_go(const kube::Key& key) {
    const kube::Json object = *world_.api.find(key);
    const kube::Json& metadata = object["metadata"];
    if (!metadata.contains("deletionTimestamp")) return;  // it is put
    ++let_go_;
    const std::string uid = metadata["uid"];
    const bool may_lose =
        metadata.value("annotations", kube::Json::object()).value("pannier.dev/discard", "") == uid;
    const bool was_discarded = is_discarding(object.value("status", kube::Json()));
    for (const auto& [name, agent] : world_.agents) {
      const bool is_silent = !world_.reports.find(agent.pod_uid);
      if (agent.queues.contains(uid)) {
        EXPECT_TRUE(may_lose && is_silent) << name << " still has " << to_text(key);
      }
      if (was_discarded && !may_lose) {
        EXPECT_FALSE(is_silent) << name;
      }
    }
  }

  World world_;
  Random random_;
  std::map<std::string, std::set<std::string>> ending_;  // by pod: queues that take no publishes
  unsigned let_go_ = 0;
  int pods_ = 0;
};

TEST(OperatorModel, WhateverHappensNothingIsLetGoBeforeItMay) {
  unsigned let_go = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed);
    for (int i = 0; i < kSteps; ++i) {
      model.step();
      if (testing::Test::HasFailure()) FAIL() << "step " << i;
    }
    let_go += model.let_go();
  }
  EXPECT_GT(let_go, 60u);  // it has not been about nothing
}

}  // namespace
}  // namespace pannier
