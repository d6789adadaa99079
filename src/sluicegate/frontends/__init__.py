"""How clients come in: transports, sessions and streams in front of one endpoint."""
