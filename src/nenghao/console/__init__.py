"""The browser console of a platform (管理控制台): pages over the platform's services, nothing more.

A process of its own: NiceGUI runs in one process with one event loop. `app` puts it together,
`gate` stands before everything, `page` makes a page of a function, `views` reads what pages show.
"""
