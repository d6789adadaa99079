"""The files in which MCP clients keep their servers, as these really write them, turned into backends."""
