#include "operator/admit_pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pannier {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Labels = std::map<std::string, std::string>;

const Labels kEnabled{{"pannier.dev/inject", "enabled"}};
const Labels kDisabled{{"pannier.dev/inject", "disabled"}};

api::Pod asking_pod() {
  api::Pod pod;
  pod.metadata.namespace_name = "shop";
  pod.metadata.name = "checkout";
  pod.metadata.labels = kEnabled;
  pod.spec.containers.push_back({});
  pod.spec.containers.front().name = "app";
  return pod;
}

api::AgentClass class_named(std::string name) {
  api::AgentClass of_name;
  of_name.metadata.name = std::move(name);
  return of_name;
}

std::string refusal(const api::Pod& pod, const std::vector<api::AgentClass>& classes = {}) {
  const auto admission = admit_pod(pod, {}, classes);
  if (admission) return "it was admitted";
  EXPECT_EQ(admission.error().code, Errc::bad_config);
  return admission.error().detail;
}

TEST(AdmitPod, LetsAPodThroughThatNobodyAskedFor) {
  api::Pod pod = asking_pod();
  pod.metadata.labels.clear();
  pod.spec.host_network = true;
  const auto admission = admit_pod(pod, {}, {});
  ASSERT_TRUE(admission);
  EXPECT_FALSE(admission->inject);
}

TEST(AdmitPod, TakesTheLabelOfThePodBeforeThatOfItsNamespace) {
  struct Case {
    Labels of_pod, of_namespace;
    bool inject;
  };
  for (const Case& each : {Case{{}, kEnabled, true}, Case{kEnabled, kDisabled, true},
                           Case{kDisabled, kEnabled, false}, Case{{}, kDisabled, false}}) {
    api::Pod pod = asking_pod();
    pod.metadata.labels = each.of_pod;
    const auto admission = admit_pod(pod, each.of_namespace, {});
    ASSERT_TRUE(admission);
    EXPECT_EQ(admission->inject, each.inject);
  }
}

TEST(AdmitPod, RefusesALabelThatIsNeitherEnabledNorDisabled) {
  api::Pod pod = asking_pod();
  pod.metadata.labels["pannier.dev/inject"] = "true";
  EXPECT_THAT(refusal(pod), AllOf(HasSubstr("of the pod"), HasSubstr("enabled or disabled"),
                                  HasSubstr("\"true\"")));
}

TEST(AdmitPod, GivesTheDefaultClassWithItsDefaultsThoughNobodyMadeIt) {
  const auto admission = admit_pod(asking_pod(), {}, {});
  ASSERT_TRUE(admission);
  EXPECT_TRUE(admission->inject);
  EXPECT_EQ(admission->class_name, "default");
  EXPECT_EQ(admission->ports, api::AgentPorts{});
}

TEST(AdmitPod, TakesTheOldestClassThatIsMarkedForAPodThatNamesNone) {
  auto older = class_named("older"), younger = class_named("a-younger");
  for (auto* each : {&older, &younger})
    each->metadata.annotations["pannier.dev/is-default-class"] = "true";
  older.metadata.created_at = Timestamp(std::chrono::seconds(1));
  younger.metadata.created_at = Timestamp(std::chrono::seconds(2));
  auto not_marked = class_named("oldest");
  not_marked.metadata.created_at = Timestamp(std::chrono::seconds(0));
  EXPECT_EQ(default_class({younger, older, not_marked}), "older");
  EXPECT_EQ(default_class({not_marked}), "default");
}

TEST(AdmitPod, NamesTheClassesThereAreWhereThePodsIsUnknown) {
  api::Pod pod = asking_pod();
  pod.metadata.annotations["pannier.dev/class"] = "huge";
  EXPECT_THAT(refusal(pod, {class_named("small"), class_named("large")}),
              AllOf(HasSubstr("\"huge\""), HasSubstr("default, large, small")));
}

TEST(AdmitPod, RefusesAClassThatDoesNotAllowTheNamespace) {
  auto only_bank = class_named("bank-only");
  only_bank.spec.allowed_namespaces = {"bank"};
  api::Pod pod = asking_pod();
  pod.metadata.annotations["pannier.dev/class"] = "bank-only";
  EXPECT_THAT(refusal(pod, {only_bank}),
              AllOf(HasSubstr("bank-only"), HasSubstr("namespace shop")));
}

TEST(AdmitPod, RefusesAPodThatSharesItsNodesNetwork) {
  api::Pod pod = asking_pod();
  pod.spec.host_network = true;
  EXPECT_THAT(refusal(pod), AllOf(HasSubstr("hostNetwork"), HasSubstr("disabled")));
}

TEST(AdmitPod, RefusesAPodForWindows) {
  api::Pod pod = asking_pod();
  pod.spec.os = "windows";
  EXPECT_THAT(refusal(pod), HasSubstr("os.name: windows"));
  pod.spec.os = "linux";
  EXPECT_TRUE(admit_pod(pod, {}, {}));
}

TEST(AdmitPod, ChangesPortsByAnnotation) {
  api::Pod pod = asking_pod();
  pod.metadata.annotations["pannier.dev/amqps-port"] = "15671";
  pod.metadata.annotations["pannier.dev/https-port"] = "18443";
  const auto admission = admit_pod(pod, {}, {});
  ASSERT_TRUE(admission);
  EXPECT_EQ(admission->ports.amqps, 15671);
  EXPECT_EQ(admission->ports.https, 18443);
  EXPECT_EQ(admission->ports.peer, 7671);
}

TEST(AdmitPod, RefusesAnAnnotationThatIsNoPort) {
  for (const char* const text : {"0", "65536", "", "amqp", "56 71", "+5671", "-1", "5671x"}) {
    api::Pod pod = asking_pod();
    pod.metadata.annotations["pannier.dev/https-port"] = text;
    EXPECT_THAT(refusal(pod), HasSubstr("pannier.dev/https-port")) << text;
  }
}

TEST(AdmitPod, RefusesTwoListenersOnOnePort) {
  api::Pod pod = asking_pod();
  pod.metadata.annotations["pannier.dev/amqps-port"] = "9471";
  EXPECT_THAT(refusal(pod), AllOf(HasSubstr("9471"), HasSubstr("amqps"), HasSubstr("admin")));
}

TEST(AdmitPod, NamesBothSidesOfAPortThatAContainerDeclaresAsWell) {
  api::Pod pod = asking_pod();
  pod.spec.containers.front().ports.push_back({"web", 8443});
  EXPECT_THAT(refusal(pod), AllOf(HasSubstr("container app"), HasSubstr("8443"), HasSubstr("(web)"),
                                  HasSubstr("https"), HasSubstr("pannier.dev/https-port")));
  pod.metadata.annotations["pannier.dev/https-port"] = "8444";
  EXPECT_TRUE(admit_pod(pod, {}, {}));
}

TEST(AdmitPod, LooksAtInitContainersPortsToo) {
  api::Pod pod = asking_pod();
  pod.spec.init_containers.push_back({});
  pod.spec.init_containers.front().name = "migrate";
  pod.spec.init_containers.front().ports.push_back({"", 7671});
  EXPECT_THAT(refusal(pod), AllOf(HasSubstr("container migrate"), HasSubstr("peer")));
}

TEST(AdmitPod, LeavesThePlaintextPortsToTheAppWhereTheClassHasNone) {
  api::Pod pod = asking_pod();
  pod.spec.containers.front().ports.push_back({"", 8000});
  EXPECT_TRUE(admit_pod(pod, {}, {}));
  auto plaintext = class_named("default");
  plaintext.spec.plaintext_loopback = true;
  EXPECT_THAT(refusal(pod, {plaintext}), AllOf(HasSubstr("8000"), HasSubstr("http of")));
}

}  // namespace
}  // namespace pannier
