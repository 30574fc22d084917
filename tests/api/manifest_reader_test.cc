#include "operator/api/manifest_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "operator/api/agent_class.h"
#include "operator/api/message_queue.h"
#include "operator/api/message_queue_user.h"
#include "operator/api/pod.h"
#include "tests/api/manifest_files.h"

namespace pannier::api {
namespace {

using kube::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  const auto manifests = read_manifests(text, "a.yaml");
  return manifests ? "no error" : manifests.error().detail;
}
std::string queue_with(std::string_view rest) {
  return "apiVersion: pannier.dev/v1alpha1\nkind: MessageQueue\nmetadata: {name: orders}\n" +
         std::string(rest) + "\n";
}
std::string pod_with(std::string_view rest) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
         "  containers: [{name: main, command: [sh]}]\n" +
         std::string(rest) + "\n";
}

std::vector<kube::Object> sample_objects() {
  std::vector<kube::Object> objects;
  for (const auto& file : crd_files("samples")) {
    const auto manifests = read_manifests(file_text(file), file.filename().string());
    EXPECT_TRUE(manifests) << manifests.error().detail;
    if (!manifests) continue;
    for (const Manifest& manifest : *manifests) objects.push_back(manifest.object);
  }
  return objects;
}

Result<void> read_typed(const kube::Object& object) {
  const auto outcome = [](const auto& read) {
    return read ? Result<void>{} : Result<void>{read.error()};
  };
  if (object.kind() == kMessageQueueKind) return outcome(read_message_queue(object));
  if (object.kind() == kAgentClassKind) return outcome(read_agent_class(object));
  if (object.kind() == kMessageQueueUserKind) return outcome(read_message_queue_user(object));
  if (object.kind() == kPodKind) return outcome(read_pod(object));
  return {};
}

TEST(Manifests, TakeEverySampleAndReadItBackFromWhatTheyMadeOfIt) {
  std::set<std::string> kinds;
  for (const kube::Object& object : sample_objects()) {
    kinds.insert(object.kind());
    EXPECT_TRUE(read_typed(object)) << read_typed(object).error().detail;
    const std::string text = object.json().dump(2);
    const auto again = read_manifests(text, "again.yaml");
    ASSERT_TRUE(again) << again.error().detail;
    ASSERT_EQ(again->size(), 1u);
    EXPECT_EQ(again->front().object.json(), object.json());
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"AgentClass", "MessageQueue", "MessageQueueUser",
                                          "Namespace", "Pod", "Secret", "ServiceAccount"}));
}

TEST(Manifests, RefuseEveryBadSampleWithThePlaceAndTheWordsThatItExpects) {
  constexpr std::string_view kExpected = "# expected: ";
  const auto files = crd_files("samples/refused");
  EXPECT_GE(files.size(), 10u);
  for (const auto& file : files) {
    const std::string text = file_text(file);
    ASSERT_THAT(text, StartsWith(kExpected)) << file;
    const std::string expected = text.substr(kExpected.size(), text.find('\n') - kExpected.size());
    const auto read = read_manifests(text, file.filename().string());
    ASSERT_FALSE(read) << file;
    EXPECT_EQ(read.error().code, Errc::bad_config);
    EXPECT_THAT(read.error().detail, HasSubstr(expected));
  }
}

TEST(Manifests, FillInDefaultsAndTheNamespaceAsTheApiServerDoes) {
  const auto read = read_manifests(queue_with("spec: {storage: {maxBytes: 1024Mi}}"), "a", "shop");
  ASSERT_TRUE(read) << read.error().detail;
  const Json& json = read->front().object.json();
  EXPECT_EQ(json["metadata"], (Json{{"name", "orders"}, {"namespace", "shop"}}));
  EXPECT_EQ(json["spec"]["storage"]["maxBytes"], "1Gi");
  EXPECT_EQ(json["spec"]["storage"]["maxMessages"], 1'000'000);
  EXPECT_EQ(json["spec"]["durability"], "Disk");
  EXPECT_EQ(json["spec"]["paused"], false);
  EXPECT_FALSE(json["spec"].contains("queueName"));
  EXPECT_FALSE(json["spec"].contains("access"));
  const auto closed = read_manifests(queue_with("spec: {access: []}"), "a");
  EXPECT_EQ(closed->front().object.spec()["access"], Json::array());
  const auto pod = read_manifests(pod_with(""), "a");
  EXPECT_EQ(pod->front().object.spec()["terminationGracePeriodSeconds"], 30);
  EXPECT_EQ(pod->front().object.spec()["serviceAccountName"], "default");
}

TEST(Manifests, KnowWhereEachDocumentBegins) {
  const auto read =
      read_manifests("# one\n---\n" + queue_with("") + "---\n# none\n---\n" + pod_with(""), "a");
  ASSERT_TRUE(read) << read.error().detail;
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].place.line, 3);
  EXPECT_EQ((*read)[1].place.line, 10);
  EXPECT_EQ(read_manifests("# nothing\n", "a")->size(), 0u);
}

TEST(Manifests, TellOfEveryMistakeOfAFileAtOnceWithItsPlace) {
  const std::string error =
      error_of(queue_with("spec: {paused: 1}") + "---\n" + pod_with("  tolerations: []"));
  EXPECT_THAT(error, HasSubstr("a.yaml:4:16: spec.paused: expected true or false"));
  EXPECT_THAT(error, HasSubstr("\na.yaml:11:3: spec.tolerations: expected what a process of this "
                               "machine can have, found tolerations, which cannot be honoured "
                               "without a cluster: remove it"));
}

TEST(Manifests, TakeAndDropWhatKubectlAddsToAnObject) {
  const auto read = read_manifests(
      "apiVersion: pannier.dev/v1alpha1\nkind: MessageQueue\nmetadata:\n  name: orders\n"
      "  creationTimestamp: null\n  resourceVersion: \"4\"\n  uid: u1\n  generation: 2\n"
      "  managedFields: [{manager: kubectl}]\nspec: {}\nstatus: {observedGeneration: 2}\n",
      "a");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->front().object.json()["metadata"],
            (Json{{"name", "orders"}, {"namespace", "default"}}));
  EXPECT_TRUE(read->front().object.status().is_null());
}

TEST(Manifests, RefuseMetadataThatKubernetesOrPanniersOwnUseForbids) {
  const auto with = [](std::string_view metadata) {
    return error_of("apiVersion: v1\nkind: Secret\nmetadata: {" + std::string(metadata) + "}\n");
  };
  EXPECT_EQ(with("name: a.b-c"), "no error");
  for (const char* name : {"A", "a_b", "-a", "a..b", "a.-b", "\"\"", "7", "a/b", "../a"})
    EXPECT_THAT(with("name: " + std::string(name)), HasSubstr(" metadata.name: expected")) << name;
  EXPECT_THAT(with("name: " + std::string(254, 'a')), HasSubstr("at most 253 bytes"));
  EXPECT_THAT(with("labels: {}"), HasSubstr("metadata.name: expected"));
  EXPECT_THAT(with("name: a, namespace: a.b"), HasSubstr("metadata.namespace: expected"));
  EXPECT_THAT(with("name: a, labels: {a b: c}"), HasSubstr("metadata.labels.a b: expected"));
  EXPECT_THAT(with("name: a, labels: {a: c d}"), HasSubstr("metadata.labels.a: expected"));
  EXPECT_THAT(with("name: a, annotations: {/a: c}"), HasSubstr("metadata.annotations./a: "));
  EXPECT_THAT(with("name: a, finalizers: [x/y]"), HasSubstr("3:21: metadata.finalizers: "));
  EXPECT_THAT(with("name: a, generateName: b"), HasSubstr("metadata.generateName: "));
  for (const char* ours : {"pannier.dev/injected", "pannier.dev/manifest"})
    EXPECT_THAT(with("name: a, annotations: {" + std::string(ours) + ": x}"),
                HasSubstr("3:35: metadata.annotations." + std::string(ours) + ": expected"));
  EXPECT_THAT(error_of("apiVersion: pannier.dev/v1alpha1\nkind: AgentClass\n"
                       "metadata: {name: a, namespace: b}\n"),
              HasSubstr("metadata.namespace: expected no namespace"));
}

TEST(Manifests, RefuseOfAPodWhatTheRunnerCannotHonour) {
  for (const char* key : {"volumes", "nodeSelector", "securityContext", "dnsPolicy", "hostPID"})
    EXPECT_THAT(error_of(pod_with("  " + std::string(key) + ": {}")),
                HasSubstr("spec." + std::string(key) + ": "))
        << key;
  const auto container = [](const std::string& rest) {
    return error_of(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: m, "
        "command: [sh], " +
        rest + "}]}\n");
  };
  EXPECT_EQ(container("imagePullPolicy: Never, ports: [{containerPort: 1, protocol: UDP}]"),
            "no error");
  for (const char* key : {"volumeMounts", "livenessProbe", "startupProbe", "lifecycle", "resources",
                          "securityContext", "envFrom", "restartPolicy"})
    EXPECT_THAT(container(std::string(key) + ": {}"),
                AllOf(HasSubstr("spec.containers[0]." + std::string(key) + ": "),
                      HasSubstr("cannot be honoured without a cluster: remove it")))
        << key;
  EXPECT_THAT(container("env: [{name: A, valueFrom: {}}]"), HasSubstr("env[0].valueFrom: "));
  EXPECT_THAT(container("env: [{name: \"A=B\", value: c}]"), HasSubstr("env[0].name: "));
  EXPECT_THAT(container("ports: [{containerPort: 1, hostPort: 1}]"),
              HasSubstr("ports[0].hostPort"));
  EXPECT_THAT(container("volumeMount: []"), HasSubstr("expected a known key"));
  EXPECT_THAT(error_of("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"),
              HasSubstr("spec.containers: expected at least one container"));
  EXPECT_THAT(error_of(pod_with("  initContainers: [{name: main, command: [sh]}]")),
              HasSubstr("expected each container's name once, found \"main\" again"));
  EXPECT_EQ(error_of(pod_with("  hostNetwork: true\n  os: {name: windows}\n"
                              "  enableServiceLinks: false\n  automountServiceAccountToken: true")),
            "no error");  // what admission judges, and what has no effect
}

TEST(Manifests, KeepTheValuesOfASecretOutOfErrors) {
  const std::string error = error_of(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {p: hunter2!}\n"
      "stringData: {q: 31337, \"r s\": x}\n");
  EXPECT_THAT(error, HasSubstr("data.p: "));
  EXPECT_THAT(error, HasSubstr("stringData.q: "));
  EXPECT_THAT(error, testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(error, testing::Not(HasSubstr("31337")));
}

// Every place of a value, as a JSON pointer and as errors write it.
struct Place {
  Json::json_pointer pointer{};
  std::string path;
};
void gather(const Json& json, const Place& here, std::vector<Place>& places) {
  if (!here.path.empty()) places.push_back(here);
  for (std::size_t i = 0; json.is_array() && i < json.size(); ++i)
    gather(json[i], {here.pointer / i, here.path + "[" + std::to_string(i) + "]"}, places);
  if (json.is_object())
    for (const auto& [key, value] : json.items())
      gather(value, {here.pointer / key, here.path + (here.path.empty() ? "" : ".") + key}, places);
}

std::vector<Json> wrong_values(const Json& right) {
  std::vector<Json> wrong;
  if (!right.is_object()) wrong.push_back(Json{{"x", 1}});
  if (!right.is_array()) wrong.push_back(Json::array({1}));
  if (right.is_string() || right.is_structured()) wrong.push_back(true);
  if (!right.is_string()) wrong.push_back("x");
  wrong.push_back(-1.5);
  return wrong;
}

TEST(Manifests, NameThePathOfAWrongTypeAtEveryFieldAndSoDoObjectsOfTheApi) {
  std::size_t tried = 0;
  for (const kube::Object& object : sample_objects()) {
    std::vector<Place> places;
    gather(object.json(), Place{}, places);
    for (const Place& place : places) {
      for (const Json& wrong : wrong_values(object.json()[place.pointer])) {
        Json json = object.json();
        json[place.pointer] = wrong;
        ++tried;
        EXPECT_THAT(error_of(json.dump()), HasSubstr(" " + place.path + ": expected"))
            << json.dump();
        const auto parsed = kube::Object::from_json(json);
        if (!parsed || !place.path.starts_with("spec")) continue;
        const auto read = read_typed(*parsed);
        const bool is_ours = object.kind() != kPodKind;
        if (!is_ours && read) continue;
        EXPECT_THAT(read ? "no error" : read.error().detail,
                    HasSubstr(" " + place.path + ": expected"))
            << json.dump();
      }
    }
  }
  EXPECT_GT(tried, 500u);
}

TEST(Manifests, RefuseHostileTextWithAnError) {
  const std::string good = queue_with("spec: {}");
  std::string deep = "x: ";
  for (int i = 0; i < 100'000; ++i) deep += "{a: ";
  EXPECT_THAT(error_of(good + deep), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_of(good + "x: " + std::string(100'000, '[')), HasSubstr("a.yaml:5:"));
  EXPECT_THAT(error_of(good + "# " + std::string(5u << 20, 'x')), HasSubstr("bytes"));
  EXPECT_THAT(error_of(good + std::string(1, '\0')), HasSubstr("expected text in UTF-8"));
  EXPECT_THAT(error_of(good + "\xff"), HasSubstr("expected text in UTF-8"));
  EXPECT_THAT(error_of(good + "kind: Pod\n"), HasSubstr("5:1: kind: expected each key once"));
  EXPECT_THAT(error_of(queue_with("spec: {paused: true, paused: false}")),
              HasSubstr("spec.paused: expected each key once"));
  EXPECT_THAT(error_of(queue_with("spec: {<<: {paused: true}}")), HasSubstr("merge key"));
  EXPECT_THAT(error_of(queue_with("spec: !!python/object {}")), HasSubstr("tag"));
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += (i > 0 ? ", *" : "*") + std::string(1, char(c - 1));
    bomb += "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("aliases count as what they stand for"));
  std::string many;
  for (int i = 0; i < 1'001; ++i) many += "---\nkind: x\n";
  EXPECT_THAT(error_of(many), HasSubstr("1000 documents"));
  for (const char* text : {"77", "[]", "\"x\"", "kind: []", "kind: ~", "{}"})
    EXPECT_THAT(error_of(text), HasSubstr("expected")) << text;
  EXPECT_THAT(error_of("kind: List\napiVersion: v1\nitems: []\n"), HasSubstr("kind: expected one"));
}

TEST(Manifests, TakeAnAliasForWhatItStandsFor) {
  const auto read = read_manifests(
      queue_with("spec:\n  bindings:\n  - &b {exchange: e, routingKey: k}\n  - *b"), "a");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->front().object.spec()["bindings"].size(), 2u);
}

TEST(Manifests, SurviveAnyChangeOfASample) {
  std::mt19937 random(7);
  for (const auto& file : crd_files("samples")) {
    const std::string text = file_text(file);
    for (int i = 0; i < 100; ++i) {
      std::string changed = text;
      for (int j = 0; j < 3; ++j) {
        const std::size_t at = random() % changed.size();
        if (random() % 2 == 0)
          changed[at] = "{}[]:-,#&*!\"'\n \t0a"[random() % 18];
        else
          changed.erase(at, random() % 8);
      }
      const auto read = read_manifests(changed, "a.yaml");
      EXPECT_THAT(read ? "a.yaml:" : read.error().detail, StartsWith("a.yaml:"));
    }
  }
}

}  // namespace
}  // namespace pannier::api
