"""Traces made of tapes: what was asked, and when it passed each stage, as spans.

ids        trace and span ids that anybody can compute again
work       a request and what became of it
edges      folds of the tapes on which requests come in (fix.*, api.*) and answers go out
parents    fold of a router's tape: parent orders and their children
collector  joins the orders tape, the edges and the stage logs into works
spans      works as spans
follow     reads the tapes side by side, in the order of their times
find       one order's trace off the tapes
waterfall  spans as a picture of text
"""
