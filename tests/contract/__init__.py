"""The contract, row by row, from outside: a stock Socket.IO client and plain HTTP, nothing of the SDK."""
