"""The page of the site engineer (现场页面): what a device reads, keeps and sends, in a browser.

Runs in the agent's process and event loop, on the loopback only, when `page_port` is not 0.
`server` listens, `guard` and `access` keep others out, `site` leads requests to `pages`, `desk`
is all of the device that a page may touch, `html` writes. Nothing else of the device imports this
package: a device without the page needs neither starlette nor uvicorn.
"""
