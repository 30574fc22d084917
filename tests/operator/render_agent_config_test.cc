#include "operator/render_agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pannier {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

api::Pod checkout() {
  api::Pod pod;
  pod.metadata.namespace_name = "shop";
  pod.metadata.name = "checkout";
  pod.metadata.uid = "3f2b8c1e-0000-4000-8000-000000000001";
  pod.spec.service_account = "checkout-account";
  return pod;
}

api::AgentClass standard() {
  api::AgentClass of_defaults;
  of_defaults.metadata.name = "default";
  return of_defaults;
}

LocalAgentPlaces places() {
  return {"127.83.1.2",
          {"/d/app", "/d/agent", "/d/spool"},
          "/d/run/3f2b8c1e.sock",
          {"/d/policy.yaml", "/d/members.yaml", "/d/tls.crt", "/d/tls.key", "/d/ca.crt"}};
}

AgentConfig rendered(const api::Pod& pod, const api::AgentClass& agent_class) {
  auto config = render_local_agent_config(pod, agent_class, "demo.local", places());
  EXPECT_TRUE(config) << (config ? "" : config.error().detail);
  return config ? *config : AgentConfig{};
}

TEST(RenderAgentConfig, IsAConfigurationThatAnAgentAccepts) {
  const AgentConfig config = rendered(checkout(), standard());
  const auto read = parse_agent_config(to_yaml(config), "agent.yaml");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, config);
}

TEST(RenderAgentConfig, ListensOnThePodsOwnAddressAlone) {
  const AgentListeners listeners = rendered(checkout(), standard()).listeners;
  for (const auto* each : {&listeners.amqps, &listeners.https, &listeners.peer, &listeners.admin}) {
    EXPECT_TRUE(each->enabled);
    EXPECT_THAT(each->addresses, ElementsAre("127.83.1.2"));
  }
  EXPECT_EQ(listeners.control_socket, "/d/run/3f2b8c1e.sock");
}

TEST(RenderAgentConfig, HasPlaintextListenersOnlyWhereTheClassSaysSo) {
  api::AgentClass agent_class = standard();
  EXPECT_FALSE(rendered(checkout(), agent_class).listeners.amqp.enabled);
  EXPECT_FALSE(rendered(checkout(), agent_class).listeners.http.enabled);
  agent_class.spec.plaintext_loopback = true;
  const AgentListeners listeners = rendered(checkout(), agent_class).listeners;
  EXPECT_TRUE(listeners.amqp.enabled);
  EXPECT_TRUE(listeners.http.enabled);
  EXPECT_THAT(listeners.http.addresses, ElementsAre("127.83.1.2"));
  EXPECT_FALSE(listeners.admin_plaintext);
}

TEST(RenderAgentConfig, SaysWhoThePodIs) {
  const AgentIdentity identity = rendered(checkout(), standard()).identity;
  EXPECT_EQ(identity.namespace_name, "shop");
  EXPECT_EQ(identity.pod_name, "checkout");
  EXPECT_EQ(identity.pod_uid, "3f2b8c1e-0000-4000-8000-000000000001");
  EXPECT_EQ(identity.service_account, "checkout-account");
  EXPECT_EQ(identity.trust_domain, "demo.local");
  EXPECT_TRUE(identity.pod_info_folder.empty());
}

TEST(RenderAgentConfig, TakesWhatTheClassSays) {
  api::AgentClass agent_class = standard();
  agent_class.metadata.name = "loud";
  agent_class.spec.client_topology = ClientTopology::local;
  agent_class.spec.log_level = LogLevel::debug;
  agent_class.spec.ports.peer = 7777;
  const AgentConfig config = rendered(checkout(), agent_class);
  EXPECT_EQ(config.class_name, "loud");
  EXPECT_EQ(config.client_topology, ClientTopology::local);
  EXPECT_EQ(config.log_level, LogLevel::debug);
  EXPECT_EQ(config.listeners.peer.port, 7777);
}

TEST(RenderAgentConfig, TakesThePortsOfThePodsAnnotations) {
  api::Pod pod = checkout();
  pod.metadata.annotations["pannier.dev/amqps-port"] = "15671";
  EXPECT_EQ(rendered(pod, standard()).listeners.amqps.port, 15671);
}

TEST(RenderAgentConfig, GivesTheSpoolNineTenthsOfItsVolume) {
  api::AgentClass agent_class = standard();
  agent_class.spec.spool.size = 10ull << 30;
  EXPECT_EQ(rendered(checkout(), agent_class).spool.bytes_max, 9ull << 30);
}

TEST(RenderAgentConfig, TakesSmallerSegmentsForASmallVolume) {
  api::AgentClass agent_class = standard();
  agent_class.spec.spool.size = 32ull << 20;
  const AgentSpool spool = rendered(checkout(), agent_class).spool;
  EXPECT_GE(spool.bytes_max / spool.segment_bytes, 8u);
  EXPECT_LT(spool.free_space_reserve, agent_class.spec.spool.size);
}

TEST(RenderAgentConfig, ReadsItsDocumentsAndIdentityFromFiles) {
  const AgentConfig config = rendered(checkout(), standard());
  ASSERT_TRUE(config.local);
  EXPECT_EQ(*config.local, places().files);
  EXPECT_FALSE(config.operator_endpoint);
  EXPECT_EQ(config.folders, places().folders);
}

TEST(RenderAgentConfig, SaysThatAFoldersPathIsTooLongForASocket) {
  LocalAgentPlaces long_places = places();
  long_places.control_socket = "/" + std::string(106, 'x');
  EXPECT_TRUE(render_local_agent_config(checkout(), standard(), "demo.local", long_places));
  long_places.control_socket += 'x';
  const auto config = render_local_agent_config(checkout(), standard(), "demo.local", long_places);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::bad_config);
  EXPECT_THAT(config.error().detail,
              AllOf(HasSubstr("108 bytes"), HasSubstr("107"), HasSubstr("shorter path")));
}

TEST(RenderAgentConfig, RefusesAVolumeThatIsTooSmallForASpool) {
  api::AgentClass agent_class = standard();
  agent_class.spec.spool.size = 1u << 20;
  const auto config = render_local_agent_config(checkout(), agent_class, "demo.local", places());
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().detail, HasSubstr("maxBytes"));
}

}  // namespace
}  // namespace pannier
