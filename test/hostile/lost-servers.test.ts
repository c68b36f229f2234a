import { describeLostServers } from "./lost-servers.js";

// The long version of this file makes 10,000 calls.
describeLostServers({ rounds: 2, calls: 40 });
