// What is read from objects of the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "operator/api/agent_class.h"
#include "operator/api/message_queue.h"
#include "operator/api/message_queue_user.h"
#include "operator/api/pod.h"

namespace pannier::api {
namespace {

using kube::Json;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

kube::Object object(std::string_view kind, std::string_view rest) {
  auto made = kube::Object::parse(R"({"apiVersion": "x", "kind": ")" + std::string(kind) +
                                  R"(", "metadata": {"namespace": "shop", "name": "orders"}, )" +
                                  std::string(rest) + "}");
  EXPECT_TRUE(made) << made.error().detail;
  return *made;
}

TEST(MessageQueue, HasTheDefaultsOfTheDesignWhereNothingIsSaid) {
  for (const char* nothing : {R"("spec": {})", R"("spec": null)", R"("status": {})",
                              R"("spec": {"storage": null, "access": null, "paused": null})"}) {
    const auto queue = read_message_queue(object(kMessageQueueKind, nothing));
    ASSERT_TRUE(queue) << queue.error().detail;
    EXPECT_EQ(queue->spec, MessageQueueSpec{});
    EXPECT_EQ(queue->queue_name(), "orders");
    EXPECT_EQ(queue->metadata.namespace_name, "shop");
  }
}

TEST(MessageQueue, ReadsEveryField) {
  const auto queue = read_message_queue(object(kMessageQueueKind, R"("spec": {
    "queueName": "o", "agents": {"selector": {"matchLabels": {"app": "shop"}, "matchExpressions":
      [{"key": "tier", "operator": "NotIn", "values": ["web", ""]}]}},
    "bindings": [{"exchange": "events", "type": "headers", "routingKey": "k", "match": "any",
      "headers": [{"name": "a", "value": "b"}]}],
    "durability": "Memory", "storage": {"maxBytes": 4096, "maxMessages": 5, "overflow": "DropHead",
      "compression": "Zstd"},
    "delivery": {"ackTimeout": "1m30s", "priorities": 3, "messageTTL": "24h", "maxDeliveries": 7,
      "backoff": {"initial": "2s", "max": "1m"}, "deadLetter": {"exchange": "dlx", "routingKey":
      "r"}, "singleActiveConsumer": true, "groupBy": "Header", "dedup": {"by": "ProducerSequence",
      "window": "1h", "maxIds": 9}, "expires": "2h"}, "forward": {"mode": "Local"},
    "access": [{"subjects": [{"kind": "User", "name": "ops"}], "verbs": ["Publish", "Manage"]}],
    "paused": true, "deletionPolicy": "Delete", "ofANewerRelease": {"x": [1]}})"));
  ASSERT_TRUE(queue) << queue.error().detail;
  MessageQueueSpec wanted;
  wanted.queue_name = "o";
  wanted.agents = {{{"app", "shop"}}, {{"tier", LabelOperator::not_in, {"web", ""}}}};
  wanted.bindings = {{"events", ExchangeType::headers, "k", HeaderMatch::any, {{"a", "b"}}}};
  wanted.durability = Durability::memory;
  wanted.storage = {4096, 5, Overflow::drop_head, Compression::zstd};
  wanted.delivery = {seconds{90},
                     3,
                     std::chrono::hours{24},
                     7,
                     {seconds{2}, seconds{60}},
                     DeadLetter{"", "dlx", "r"},
                     true,
                     GroupBy::header,
                     Dedup{DedupBy::producer_sequence, std::chrono::hours{1}, 9},
                     std::chrono::hours{2}};
  wanted.forward_mode = ForwardMode::local;
  wanted.access = {{{{SubjectKind::user, "ops"}}, {Verb::publish, Verb::manage}}};
  wanted.paused = true;
  wanted.deletion_policy = DeletionPolicy::delete_at_once;
  EXPECT_EQ(queue->spec, wanted);
  EXPECT_EQ(queue->queue_name(), "o");
}

TEST(MessageQueue, TellsNoAccessListFromAnEmptyOne) {
  EXPECT_FALSE(read_message_queue(object(kMessageQueueKind, R"("spec": {})"))->spec.access);
  const auto closed = read_message_queue(object(kMessageQueueKind, R"("spec": {"access": []})"));
  ASSERT_TRUE(closed->spec.access);
  EXPECT_TRUE(closed->spec.access->empty());
}

TEST(MessageQueue, NamesTheObjectAndEveryFieldThatIsWrong) {
  const auto queue = read_message_queue(object(
      kMessageQueueKind,
      R"("spec": {"paused": "true", "durability": "Engine", "bindings": [{"exchange": 7}]})"));
  ASSERT_FALSE(queue);
  EXPECT_EQ(queue.error().code, Errc::bad_config);
  EXPECT_THAT(queue.error().detail, HasSubstr("\nMessageQueue shop/orders: spec.paused: expected"));
  EXPECT_THAT(queue.error().detail,
              testing::StartsWith("MessageQueue shop/orders: spec.bindings[0]."));
  EXPECT_THAT(queue.error().detail, HasSubstr("spec.durability: expected one of Memory, Disk"));
}

TEST(MessageQueue, KeepsItsNameAndMayChangeAllElse) {
  MessageQueueSpec before, after;
  after.durability = Durability::memory;
  after.bindings.resize(1);
  EXPECT_TRUE(check_update(before, after));
  after.queue_name = "orders";  // added, even if it is the name that it had
  EXPECT_FALSE(check_update(before, after));
  EXPECT_FALSE(check_update(after, before));
  before.queue_name = "invoices";
  const auto changed = check_update(before, after);
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().detail,
              HasSubstr(R"(spec.queueName: expected "invoices" as before, found "orders": )"));
}

TEST(MessageQueue, TakesTheExchangesOfTheBrokerWithTheirOwnTypesOnly) {
  const auto binds = [](const std::string& exchange, const std::string& type) {
    return read_message_queue(object(kMessageQueueKind, R"("spec": {"bindings": [{"exchange": ")" +
                                                            exchange + R"(", "type": ")" + type +
                                                            R"("}]})"))
        .has_value();
  };
  for (const char* type : {"direct", "fanout", "topic", "headers"}) {
    EXPECT_TRUE(binds("events", type));
    EXPECT_TRUE(binds("amq", type));
    EXPECT_TRUE(binds(std::string("amq.") + type, type));
    EXPECT_FALSE(binds("amq.mine", type));
    EXPECT_FALSE(binds("", type));
    EXPECT_EQ(binds("amq.match", type), std::string_view(type) == "headers");
    EXPECT_EQ(binds("amq.topic", type), std::string_view(type) == "topic");
  }
}

std::string problem_of(const std::string& spec) {
  const auto read = read_message_queue(object(kMessageQueueKind, R"("spec": )" + spec));
  return read ? "" : read.error().detail;
}

TEST(MessageQueue, NeedsOneOwnerForWhatLooksAtAllOfItsMessages) {
  for (const char* const of : {R"("singleActiveConsumer": true)", R"("groupBy": "Header")",
                               R"("dedup": {})", R"("dedup": {"by": "ProducerSequence"})"}) {
    const std::string delivery = R"("delivery": {)" + std::string(of) + "}";
    for (const char* const mode : {"", R"(, "forward": {"mode": "Peers"})"})
      EXPECT_THAT(problem_of("{" + delivery + mode + "}"),
                  testing::AllOf(HasSubstr(" with forward.mode Peers, where "),
                                 HasSubstr(": set forward.mode to Local, or remove it")));
    EXPECT_EQ(problem_of("{" + delivery + R"(, "forward": {"mode": "Local"}})"), "");
  }
  EXPECT_EQ(problem_of(R"({"delivery": {"singleActiveConsumer": false, "groupBy": "None"}})"), "");
}

TEST(MessageQueue, SendsDeadLettersToOnePlaceWhichIsNotItself) {
  const auto to = [](const std::string& target, const std::string& rest = "") {
    return problem_of(R"({"delivery": {"deadLetter": {)" + target + "}}" + rest + "}");
  };
  EXPECT_EQ(to(R"("queue": "dead")"), "");
  EXPECT_EQ(to(R"("exchange": "dlx")"), "");
  EXPECT_EQ(to(R"("exchange": "orders", "routingKey": "k")"), "");
  EXPECT_THAT(to(""), HasSubstr("deadLetter.queue: expected either a queue or an exchange"));
  EXPECT_THAT(to(R"("routingKey": "k")"), HasSubstr("expected either a queue or an exchange"));
  EXPECT_THAT(to(R"("queue": "dead", "exchange": "dlx")"), HasSubstr("found both or neither"));
  EXPECT_THAT(to(R"("queue": "dead", "routingKey": "k")"),
              HasSubstr("deadLetter.routingKey: expected no routing key beside a queue"));
  constexpr const char* kItself = "spec.delivery.deadLetter: expected another queue";
  EXPECT_THAT(to(R"("queue": "orders")"), HasSubstr(kItself));
  EXPECT_EQ(to(R"("queue": "orders")", R"(, "queueName": "o")"), "");
  EXPECT_THAT(to(R"("queue": "o")", R"(, "queueName": "o")"), HasSubstr(kItself));
}

TEST(MessageQueue, KeepsNumbersAndTimesOfDeliveryInTheirLimits) {
  const auto fits = [](const std::string& delivery) {
    return problem_of(R"({"forward": {"mode": "Local"}, "delivery": {)" + delivery + "}}").empty();
  };
  for (const char* const good :
       {R"("priorities": 0)", R"("priorities": 255)", R"("maxDeliveries": 0)",
        R"("maxDeliveries": 65535)", R"("messageTTL": "0s")", R"("messageTTL": "8784h")",
        R"("expires": "1ms")", R"("backoff": {"initial": "0s", "max": "0s"})",
        R"("backoff": {"initial": "5m"})", R"("backoff": {"initial": "8784h", "max": "8784h"})",
        R"("dedup": {"window": "1ms", "maxIds": 1})",
        R"("dedup": {"window": "8784h", "maxIds": 100000000})"})
    EXPECT_TRUE(fits(good)) << good;
  for (const char* const bad :
       {R"("priorities": -1)", R"("priorities": 256)", R"("maxDeliveries": -1)",
        R"("maxDeliveries": 65536)", R"("messageTTL": "8784h1ms")", R"("messageTTL": 60)",
        R"("expires": "-1s")", R"("expires": "8785h")", R"("backoff": {"initial": "5m1ms"})",
        R"("backoff": {"max": "999ms"})", R"("backoff": {"initial": "9000h", "max": "9001h"})",
        R"("dedup": {"window": "0s"})", R"("dedup": {"maxIds": 0})",
        R"("dedup": {"maxIds": 100000001})", R"("dedup": {"by": "Body"})", R"("groupBy": "Key")"})
    EXPECT_FALSE(fits(bad)) << bad;
}

TEST(LabelSelector, SelectsByAllThatItSays) {
  const std::map<std::string, std::string> labels{{"app", "shop"}, {"tier", "web"}};
  EXPECT_TRUE(selects({}, labels));
  EXPECT_TRUE(selects({}, {}));
  EXPECT_TRUE(selects({{{"app", "shop"}, {"tier", "web"}}, {}}, labels));
  EXPECT_FALSE(selects({{{"app", "shop"}, {"tier", "db"}}, {}}, labels));
  EXPECT_FALSE(selects({{{"zone", ""}}, {}}, labels));
  const auto holds = [&](LabelExpression expression) {
    return selects({{{"app", "shop"}}, {std::move(expression)}}, labels);
  };
  EXPECT_TRUE(holds({"tier", LabelOperator::in, {"db", "web"}}));
  EXPECT_FALSE(holds({"tier", LabelOperator::in, {"db"}}));
  EXPECT_FALSE(holds({"zone", LabelOperator::in, {""}}));
  EXPECT_FALSE(holds({"tier", LabelOperator::not_in, {"db", "web"}}));
  EXPECT_TRUE(holds({"tier", LabelOperator::not_in, {"db"}}));
  EXPECT_TRUE(holds({"zone", LabelOperator::not_in, {"db"}}));  // as Kubernetes has it
  EXPECT_TRUE(holds({"tier", LabelOperator::exists, {}}));
  EXPECT_FALSE(holds({"zone", LabelOperator::exists, {}}));
  EXPECT_FALSE(holds({"tier", LabelOperator::does_not_exist, {}}));
  EXPECT_TRUE(holds({"zone", LabelOperator::does_not_exist, {}}));
}

TEST(AgentClass, ReadsEveryFieldAndHasDefaults) {
  EXPECT_EQ(read_agent_class(object(kAgentClassKind, R"("spec": {})"))->spec, AgentClassSpec{});
  const auto read = read_agent_class(object(kAgentClassKind, R"("spec": {
    "image": "r.example:5000/agent@sha256:ab", "imagePullPolicy": "Never",
    "imagePullSecrets": [{"name": "a"}, {"name": "b.c"}],
    "spool": {"volume": "Claim", "size": "1.5Gi", "storageClassName": "fast"},
    "ports": {"amqps": 1, "https": 2, "peer": 3, "admin": 4, "amqp": 5, "http": 65535},
    "plaintextLoopback": true, "clientTopology": "Local", "allowedNamespaces": ["shop"],
    "logLevel": "debug", "hosts": {"replicas": 3}})"));
  ASSERT_TRUE(read) << read.error().detail;
  const AgentClassSpec& spec = read->spec;
  EXPECT_EQ(spec.image, "r.example:5000/agent@sha256:ab");
  EXPECT_EQ(spec.image_pull_policy, "Never");
  EXPECT_THAT(spec.image_pull_secrets, ElementsAre("a", "b.c"));
  EXPECT_EQ(spec.spool, (AgentSpoolVolume{1536ull << 20, true, "fast"}));
  EXPECT_EQ(spec.ports, (AgentPorts{1, 2, 3, 4, 5, 65535}));
  EXPECT_TRUE(spec.plaintext_loopback);
  EXPECT_EQ(spec.client_topology, ClientTopology::local);
  EXPECT_EQ(spec.log_level, LogLevel::debug);
  EXPECT_TRUE(allows_namespace(spec, "shop"));
  EXPECT_FALSE(allows_namespace(spec, "shop2"));
  EXPECT_TRUE(allows_namespace(AgentClassSpec{}, "shop2"));
}

TEST(MessageQueueUser, IsNamedByItsObjectUnlessItSaysOtherwise) {
  const auto plain = read_message_queue_user(object(kMessageQueueUserKind, R"("spec": {})"));
  EXPECT_EQ(plain->user_name(), "orders");
  EXPECT_EQ(plain->secret_name(), "orders-pannier-user");
  const auto named = read_message_queue_user(
      object(kMessageQueueUserKind, R"("spec": {"userName": "a@b", "secretName": "s"})"));
  EXPECT_EQ(named->user_name(), "a@b");
  EXPECT_EQ(named->secret_name(), "s");
}

TEST(Secret, GivesItsValuesDecoded) {
  const auto secret = object(
      kSecretKind, R"("data": {"a": "aGk=", "b": "?", "c": 7}, "stringData": {"d": "plain"})");
  EXPECT_EQ(secret_value(secret, "a"), "hi");
  EXPECT_EQ(secret_value(secret, "b"), "");
  EXPECT_EQ(secret_value(secret, "c"), "");
  EXPECT_EQ(secret_value(secret, "d"), "plain");
  EXPECT_EQ(secret_value(secret, "e"), "");
  EXPECT_EQ(secret_value(object(kSecretKind, R"("data": [])"), "a"), "");
}

TEST(Pod, IsReadWithWhatItKnowsAndIgnoresTheRest) {
  const auto pod = read_pod(object(kPodKind, R"("spec": {
    "initContainers": [{"name": "pannier-agent", "restartPolicy": "Always", "image": "x"}],
    "containers": [{"name": "main", "image": "i", "command": ["sh", ""], "args": ["a"],
      "workingDir": "/srv", "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}],
      "ports": [{"name": "web", "containerPort": 80, "hostPort": 1}], "livenessProbe": {}}],
    "volumes": [{"name": "v"}], "restartPolicy": "OnFailure", "serviceAccountName": "checkout",
    "terminationGracePeriodSeconds": 5, "hostNetwork": true, "os": {"name": "linux"}},
    "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-11-22T10:00:00Z",
      "initContainerStatuses": [{"name": "pannier-agent", "started": true, "ready": false}]})"));
  ASSERT_TRUE(pod) << pod.error().detail;
  EXPECT_EQ(pod->spec.init_containers[0].name, kAgentContainer);
  const Container main{"main",       "i", {"sh", ""}, {"a"}, "/srv", {{"A", "1"}, {"B", ""}},
                       {{"web", 80}}};
  EXPECT_THAT(pod->spec.containers, ElementsAre(main));
  EXPECT_EQ(pod->spec.restart_policy, RestartPolicy::on_failure);
  EXPECT_EQ(pod->spec.service_account, "checkout");
  EXPECT_EQ(pod->spec.grace, seconds{5});
  EXPECT_TRUE(pod->spec.host_network);
  EXPECT_EQ(pod->spec.os, "linux");
  EXPECT_EQ(pod->status.pod_ip, "10.0.0.1");
  EXPECT_TRUE(pod->status.is_agent_ready);
  EXPECT_EQ(timestamp_text(*pod->status.started_at), "2026-11-22T10:00:00Z");
  EXPECT_FALSE(pod->is_over());
  EXPECT_FALSE(pod->is_injected());
}

TEST(Pod, HasNoReadyAgentBeforeItsContainerHasStarted) {
  for (const char* status :
       {R"("status": {})",
        R"("status": {"initContainerStatuses": [{"name": "pannier-agent", "started": false}]})",
        R"("status": {"initContainerStatuses": [{"name": "other", "started": true}]})",
        R"("status": {"initContainerStatuses": [{"name": "pannier-agent"}]})"}) {
    const auto pod = read_pod(object(kPodKind, status));
    ASSERT_TRUE(pod) << pod.error().detail;
    EXPECT_FALSE(pod->status.is_agent_ready) << status;
  }
}

}  // namespace
}  // namespace pannier::api
