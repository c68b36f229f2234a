import { describeLostServers } from "./lost-servers.js";

describeLostServers({ rounds: 25, calls: 100 });
