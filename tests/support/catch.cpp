#include "tests/support/catch.hpp"  // the precompiled header needs one source
