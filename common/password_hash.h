// Password hashes: makes the text of scrypt_text.h from a password, and checks a password by it.
//
// Pure but for the salt; any thread. A check takes as long and as much memory as the text asks for
// (by default 32 MiB and tens of milliseconds), so never on a loop. A text that is no scrypt hash
// matches nothing.
#pragma once

#include <string>
#include <string_view>

namespace pannier {

struct ScryptCost {  // within what parse_scrypt_text accepts
  unsigned cost_log2 = 15;
  unsigned block_size = 8;
  unsigned parallel = 1;
};

// With a new salt each time.
std::string hash_password(std::string_view password, ScryptCost cost = {});

// With a salt that is made from a text, the same one each time: for whoever has to render the same
// hash again. The text must name the account and never depend on the password: salts are public.
std::string hash_password_for(std::string_view account, std::string_view password,
                              ScryptCost cost = {});

// In a time that does not depend on how much of it is right.
bool matches_password(std::string_view hash_text, std::string_view password);

// Looks like a hash and costs as much to check, but no password is known that it matches: for users
// who do not exist.
std::string unmatchable_hash(ScryptCost cost = {});

}  // namespace pannier
