document.title = 'Switchgear'
