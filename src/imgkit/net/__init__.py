"""Network access: address guard, DNS, connections, fetching, retries, rate limits and robots.txt."""
