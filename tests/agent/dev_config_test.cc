#include "sidecar/dev_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pannier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DevConfig, ListensInPlaintextOnLoopbackOnly) {
  const auto config = dev_config({});
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->listeners.amqp.enabled);
  EXPECT_THAT(config->listeners.amqp.addresses, ElementsAre("127.0.0.1"));
  EXPECT_EQ(config->listeners.amqp.port, 5672);
  EXPECT_EQ(config->listeners.http.port, 8000);
  EXPECT_FALSE(config->listeners.peer.enabled);
  EXPECT_FALSE(config->listeners.amqps.enabled);
}

TEST(DevConfig, TakesOtherPortsAndIPv6) {
  DevOptions options;
  options.amqp = "[::1]:0";
  const auto config = dev_config(options);
  ASSERT_TRUE(config);
  EXPECT_THAT(config->listeners.amqp.addresses, ElementsAre("::1"));
  EXPECT_EQ(config->listeners.amqp.port, 0);
}

TEST(DevConfig, RefusesPlaintextBeyondLoopback) {
  for (const char* address : {"0.0.0.0:5672", "10.1.2.3:5672", "[::]:5672"}) {
    DevOptions options;
    options.amqp = address;
    const auto config = dev_config(options);
    ASSERT_FALSE(config) << address;
    EXPECT_THAT(config.error().detail, HasSubstr("beyond this machine"));
  }
}

TEST(DevConfig, SaysWhatAnAddressShouldLookLike) {
  for (const char* address :
       {"5672", "localhost:5672", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"}) {
    DevOptions options;
    options.http = address;
    const auto config = dev_config(options);
    ASSERT_FALSE(config) << address;
    EXPECT_THAT(config.error().detail, HasSubstr("--http"));
    EXPECT_THAT(config.error().detail, HasSubstr("such as 127.0.0.1:5672"));
  }
}

}  // namespace
}  // namespace pannier
