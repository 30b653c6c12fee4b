"""The pages (页面), an area each; importing one registers it with `page`."""
