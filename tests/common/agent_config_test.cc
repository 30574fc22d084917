#include "common/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "common/ip_address.h"
#include "tests/common/config_samples.h"

namespace pannier {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Set PANNIER_UPDATE_GOLDEN=1 to write the files anew from what the program renders.
std::string golden(const std::string& name, const std::string& rendered) {
  const std::string path = std::string(PANNIER_GOLDEN_FOLDER) + "/agent_config/" + name;
  if (std::getenv("PANNIER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << rendered;
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The shortest file that an agent starts with.
constexpr std::string_view kShort =
    "identity: {namespace: shop, serviceAccount: checkout, podInfoFolder: /etc/pod}\n"
    "operator: {url: 'https://op:9444', caFile: /t/ca.crt, tokenFile: /t/token}\n";

std::string config_error(std::string_view line) {
  const auto result =
      parse_agent_config(std::string(kShort) + std::string(line) + "\n", "agent.yaml");
  return result ? "no error" : result.error().detail;
}
TEST(AgentConfig, ReadsAShortFileWithTheDefaultsOfAnInjectedSidecar) {
  const auto config = parse_agent_config(kShort, "agent.yaml");
  ASSERT_TRUE(config) << config.error().detail;
  AgentConfig expected;
  expected.identity.namespace_name = "shop";
  expected.identity.service_account = "checkout";
  expected.identity.pod_info_folder = "/etc/pod";
  expected.operator_endpoint = OperatorEndpoint{"https://op:9444", "/t/ca.crt", "/t/token"};
  EXPECT_EQ(*config, expected);
  EXPECT_EQ(config->listeners.amqps.addresses, (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_EQ(config->listeners.peer.port, 7671);
  EXPECT_FALSE(config->listeners.amqp.enabled);
  EXPECT_EQ(config->limits.message_bytes, 16u << 20);
}

TEST(AgentConfig, ReadsBackWhatItWrites) {
  for (const AgentConfig& config : {full_config(), parse_agent_config(kShort, "short").value()}) {
    const std::string text = to_yaml(config);
    const auto again = parse_agent_config(text, "agent.yaml");
    ASSERT_TRUE(again) << again.error().detail << "\n" << text;
    EXPECT_EQ(*again, config);
    EXPECT_EQ(to_yaml(*again), text);
  }
}

TEST(AgentConfig, MatchesItsGoldenFiles) {
  EXPECT_EQ(to_yaml(full_config()), golden("agent.yaml", to_yaml(full_config())));
  EXPECT_EQ(to_yaml(full_policy()), golden("policy.yaml", to_yaml(full_policy())));
  EXPECT_EQ(to_yaml(full_members()), golden("members.yaml", to_yaml(full_members())));
}

TEST(AgentConfig, ReadsItsGoldenFilesAsWritten) {
  const auto config = parse_agent_config(golden("agent.yaml", ""), "agent.yaml");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(*config, full_config());
  EXPECT_EQ(*parse_policy(golden("policy.yaml", ""), "policy.yaml", UnknownKeys::refuse),
            full_policy());
  EXPECT_EQ(*parse_members(golden("members.yaml", ""), "members.yaml", UnknownKeys::refuse),
            full_members());
}

TEST(AgentConfig, RefusesAPlaintextListenerThatIsNotOnLoopback) {
  EXPECT_EQ(config_error("listeners: {amqp: {enabled: true, addresses: [127.9.9.9, 0.0.0.0]}}"),
            "agent.yaml:3:46: listeners.amqp.addresses: expected loopback addresses (127.0.0.0/8 "
            "or ::1) for a "
            "listener without TLS, found \"0.0.0.0\": use a loopback address, or the TLS listener");
  EXPECT_EQ(config_error("listeners: {http: {enabled: true, addresses: [127.9.9.9, '::1']}}"),
            "no error");
  EXPECT_THAT(config_error("listeners: {http: {enabled: true, addresses: ['::']}}"),
              HasSubstr("expected loopback"));
  EXPECT_THAT(config_error("listeners: {http: {enabled: true, addresses: ['::ffff:127.0.0.1']}}"),
              HasSubstr("expected loopback"));
  EXPECT_THAT(config_error("listeners: {admin: {plaintext: true, addresses: [10.0.0.1]}}"),
              HasSubstr("expected loopback"));
  EXPECT_THAT(config_error("listeners: {admin: {plaintext: true}}"),
              HasSubstr("expected at least one address"));
  EXPECT_EQ(config_error("listeners: {amqp: {enabled: false, addresses: [0.0.0.0]}}"), "no error");
}

TEST(AgentConfig, RefusesListenersThatClashNamingBoth) {
  EXPECT_EQ(config_error("listeners: {https: {port: 5671}}"),
            "agent.yaml:3:20: listeners.https: expected an address and port of its own, found "
            "127.0.0.1 port 5671 "
            "of amqps again: change one of the two\n"
            "agent.yaml:3:20: listeners.https: expected an address and port of its own, found ::1 "
            "port 5671 of "
            "amqps again: change one of the two");
  EXPECT_THAT(config_error("listeners: {peer: {port: 9471}}"), HasSubstr("of peer again"));
}

TEST(AgentConfig, RefusesWhatItCannotHonourWithItsPlace) {
  EXPECT_EQ(config_error("limits: {conections: 5}"),
            "agent.yaml:3:10: limits.conections: expected a known key, found \"conections\": did "
            "you mean connections?");
  EXPECT_EQ(config_error("listeners: {amqps: {port: 0}}"),
            "agent.yaml:3:27: listeners.amqps.port: expected a whole number from 1 to 65535, found "
            "the number 0: choose one in that range");
  EXPECT_THAT(config_error("listeners: {amqps: {addresses: [localhost]}}"),
              HasSubstr("addresses[0]: expected an IP address, found the text \"localhost\""));
  EXPECT_THAT(config_error("limits: {maxMessageBytes: 129Mi}"),
              HasSubstr("from 1Ki to 128Mi, found 129Mi"));
  EXPECT_THAT(config_error("folders: {spool: data}"), HasSubstr("expected an absolute path"));
  EXPECT_THAT(config_error("folders: {spool: ''}"), HasSubstr("expected an absolute path"));
  EXPECT_THAT(config_error("spool: {segmentBytes: 1048577}"),
              HasSubstr("expected a multiple of 4Ki"));
  EXPECT_THAT(config_error("spool: {maxBytes: 17Mi}"), HasSubstr("at least 4 segments"));
  EXPECT_THAT(config_error("spool: {encryption: {required: true}}"),
              HasSubstr("spool.encryption.keys: expected an absolute path"));
  EXPECT_THAT(config_error("spool: {encryption: {keys: keys}}"),
              HasSubstr("spool.encryption.keys: expected an absolute path"));
  EXPECT_THAT(config_error("spool: {encryption: {keys: /keys, key: abc}}"),
              HasSubstr("spool.encryption.key: expected a known key"));
  EXPECT_EQ(config_error("spool: {encryption: {keys: /keys}}"), "no error");
  EXPECT_THAT(config_error("listeners: {control: {socket: /" + std::string(107, 'x') + "}}"),
              HasSubstr("at most 107 bytes"));
  EXPECT_THAT(config_error("local: {policyFile: /p}"),
              HasSubstr("expected either operator or local, found both"));
  EXPECT_THAT(config_error("clientTopology: Everywhere"),
              HasSubstr("expected one of None, Local, Namespace"));
  EXPECT_EQ(config_error("schemaVersion: 2").substr(0, 30), "agent.yaml:3:16: schemaVersion");
}

TEST(AgentConfig, NeedsAnIdentityAndASourceOfItsPolicy) {
  const auto empty = parse_agent_config("{}", "agent.yaml");
  for (const char* part :
       {"1:1: identity.namespace: expected a namespace's name, found no such key: add it",
        "identity.serviceAccount", "identity.podName", "identity.podUid",
        "operator: expected operator (url, caFile, tokenFile) or local"})
    EXPECT_THAT(empty.error().detail, HasSubstr(part));
  const std::string identity =
      "identity: {namespace: shop, serviceAccount: a, podName: p, podUid: u}\n";
  EXPECT_THAT(
      parse_agent_config(identity + "local: {policyFile: /p}", "f").error().detail,
      HasSubstr(
          "f:2:8: local: expected certificateFile, keyFile and caFile for the peer listener"));
  EXPECT_TRUE(parse_agent_config(
      identity + "local: {policyFile: /p}\nlisteners: {peer: {enabled: false}}", "f"));
  EXPECT_THAT(
      parse_agent_config(identity + "local: {policyFile: /p, keyFile: /k}", "f").error().detail,
      HasSubstr("only some of them"));
}

TEST(AgentConfig, SurvivesEveryDocumentCutShortOrWithAByteChanged) {
  const std::string texts[] = {to_yaml(full_config()), to_yaml(full_policy()),
                               to_yaml(full_members())};
  std::mt19937 random(6);
  for (const std::string& text : texts) {
    for (int i = 0; i < 300; ++i) {
      std::string bad = text.substr(0, i % 2 == 0 ? random() % text.size() : text.size());
      if (!bad.empty()) bad[random() % bad.size()] = static_cast<char>(random() % 256);
      (void)parse_agent_config(bad, "f");
      (void)parse_policy(bad, "f");
      (void)parse_members(bad, "f");
    }
  }
}

TEST(IpAddress, KnowsLoopbackWhenItSeesIt) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1"})
    EXPECT_TRUE(is_loopback_address(text)) << text;
  for (const char* text :
       {"128.0.0.1", "0.0.0.0", "::", "::2", "localhost", "", "127.1", "::ffff:127.0.0.1"})
    EXPECT_FALSE(is_loopback_address(text)) << text;
  EXPECT_FALSE(is_ip_address(std::string_view("127.0.0.1\0x", 11)));
}

}  // namespace
}  // namespace pannier
